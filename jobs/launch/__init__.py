"""How jobs get to SLURM: what each needs and makes, checks before anything is queued, arrays, graphs, probes,
retries."""
