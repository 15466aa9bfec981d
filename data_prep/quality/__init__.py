"""Quality of text: examples, features, classifier."""
