"""The run folder: its frozen configuration, its attempts, and what its checkpoints were made of."""
