"""Degradations: bad text out of good text."""
