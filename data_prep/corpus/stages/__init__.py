"""Stages of the corpus factory: each a sharded array of units of work."""
