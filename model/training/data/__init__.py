"""What a run reads: prepared data, its planned order, and the micro-batches made of it."""
