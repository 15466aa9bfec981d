"""Mixture of prepared sources into the phases of a training."""
