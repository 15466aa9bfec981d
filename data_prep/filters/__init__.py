"""Rules that reject documents, each measured over a batch at once."""
