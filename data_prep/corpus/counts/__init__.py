"""Counts of the corpus factory: sizes of documents, and what each step took in, let out and dropped."""
