"""The corpus and the retrieval set of the quickstart, from docstrings or from a folder of texts."""
