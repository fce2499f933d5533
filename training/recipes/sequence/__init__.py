"""Networks over time steps."""
