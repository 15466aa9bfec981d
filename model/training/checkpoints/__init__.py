"""Checkpoints of a run: written whole, verified, kept or removed, and checked before a resume."""
