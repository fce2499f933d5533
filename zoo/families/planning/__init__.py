"""Models that plan: from a known world to what should be done in it."""
