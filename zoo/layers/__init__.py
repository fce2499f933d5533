"""Parts that families share, where torch has none that both computes and exports as it should. Needs torch."""
