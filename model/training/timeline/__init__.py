"""The schedule of a run: phases, batches, learning rates and checkpoints by step, known before the first one."""
