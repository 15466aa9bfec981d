"""Retrieval sets in BEIR format (arXiv 2104.08663), in the spellings that they are published in."""
