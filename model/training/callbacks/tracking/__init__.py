"""Experiment trackers beside TensorBoard: optional, and imported only where they are asked for."""
