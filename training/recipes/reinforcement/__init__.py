"""Agents: networks that say what to do, learnt from rewards."""
