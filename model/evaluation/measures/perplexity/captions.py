"""What stands under pictures and tables of perplexity: how to read them. Said is only what was measured."""

from collections.abc import Sequence

from model.evaluation.measures.perplexity.forgetting import DOMAIN, GENERAL, Change, TextPerplexity


def of_forgetting(changes: Sequence[Change], roles: Sequence[str]) -> str:
    """Under forgetting against gain; ``roles``: that of each text."""
    several = [role for role in (DOMAIN, GENERAL) if roles.count(role) > 1]
    mean = f", of several {' and '.join(several)} texts the mean in the logarithm" if several else ""
    crosses = " Crosses: 95% intervals of the paired differences over documents."
    return (
        "What was forgotten against what was gained: a point a checkpoint, joined in the order of training from the"
        f" first checkpoint at (0, 0); changes of the perplexity per character in percent{mean}. Down is better on the"
        " domain, right is worse in"
        f" general.{crosses if any(one.domain.low < one.domain.high for one in changes) else ''}"
    )


def of_curves(texts: Sequence[TextPerplexity]) -> str:
    """Under loss and bits per byte by step."""
    bands = (
        " Bands: 95% intervals over documents, which differ among themselves more than checkpoints do; whether two"
        " checkpoints differ is told by the change."
    )
    return f"Bits per byte by step, lower is better.{bands if any(text.intervals['byte'] for text in texts) else ''}"


def of_tables(texts: Sequence[TextPerplexity]) -> str:
    """Under the tables."""
    brackets = " Brackets: 95% intervals, documents drawn with replacement."
    return (
        "The loss is the negative log-likelihood of this text per predicted token, in nats, and perplexity is exp of"
        " it; per character of the predicted text it does not depend on the tokenizer; bits per byte is the same sum in"
        " bits. The change is against the first checkpoint, per character, on the same"
        f" documents.{brackets if any(text.intervals['byte'] for text in texts) else ''}"
    )
