"""Architectures: one file a family, which holds the configuration, the original and its graphs, and nothing else."""
