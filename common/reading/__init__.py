"""Documents out of text, JSON lines and parquet: the neutral part of reading, which text to train on and text to
measure with share."""
