"""Morphology."""
