"""A small real scorer: the more of a text is letters and spaces, the better it is."""

import numpy as np


class LetterScorer:
    """P(HIGH) is the share of letters and spaces; the rest goes to LOW and MEDIUM by halves."""

    def probabilities(self, texts):
        shares = np.array([sum(c.isalpha() or c.isspace() for c in text) / max(len(text), 1) for text in texts])
        return np.stack([(1 - shares) / 2, (1 - shares) / 2, shares], 1)


def note(text):
    """The notes that such a scorer leaves on a document."""
    probabilities = LetterScorer().probabilities([text])[0].tolist()
    return {"quality": "HIGH" if probabilities[2] >= 0.5 else "LOW", "quality_probabilities": probabilities}
