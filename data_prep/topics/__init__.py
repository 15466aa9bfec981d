"""Topics of documents: a classifier, learnt from labelled ones."""
