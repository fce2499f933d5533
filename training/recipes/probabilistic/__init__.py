"""Models of how likely things are together, and what follows from some of them."""
