"""Networks over the nodes and edges of graphs."""
