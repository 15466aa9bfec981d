"""Megatron-Core's process state: start-up, parallel layout, optimizer, training step, checkpoints."""

import warnings

warnings.filterwarnings("ignore", message="Transformer Engine and Apex are not installed")  # optional: `jobs.doctor` reports them
