"""Reports of the corpus factory as HTML: one file, no network, no script, light and dark."""
