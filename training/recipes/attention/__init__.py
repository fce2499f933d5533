"""Recipes of networks whose tokens look at one another."""
