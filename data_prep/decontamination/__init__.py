"""Decontamination: evaluation text found in training data and cut out of it."""
