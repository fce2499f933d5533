"""Models that are linear in their parameters."""
