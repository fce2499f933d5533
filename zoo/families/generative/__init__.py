"""Models that generate samples."""
