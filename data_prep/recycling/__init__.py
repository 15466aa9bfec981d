"""The middle band of a corpus, rewritten."""
