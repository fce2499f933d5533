"""Studies: published tables, run again."""
