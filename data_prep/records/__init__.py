"""Records: documents on their way from a source to the corpus, as lines of compressed files."""
