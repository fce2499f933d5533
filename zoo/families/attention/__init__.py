"""Networks whose tokens look at one another."""
