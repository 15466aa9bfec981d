"""Gold lemmas and inflection of a treebank, and how analysers agree with them."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.filters.morphology import measure
from data_prep.morphology.analysers import Analyser
from data_prep.morphology.words import Words, WordTable
from data_prep.text.batch import Batch, hash_words
from data_prep.text.characters import lower

DOTTED = {"I": "ı", "İ": "i"}
INFLECTION = (
    "Case",
    "Number",
    "Person",
    "Tense",
    "Aspect",
    "Mood",
    "Polarity",
    "VerbForm",
    "Voice",
    "Evident",
    "Polite",
)
UNMARKED = {"Case=Nom", "Number=Sing", "Person=3", "Polarity=Pos", "Aspect=Perf", "Mood=Ind", "Tense=Pres"}


class Gold(NamedTuple):
    """A word in lower case as it is written, the lemma of its first part, and its features that a suffix marks, in
    order."""

    form: str
    lemma: str
    features: str


def read_gold(path: Path) -> list[Gold]:
    """The words of a CoNLL-U file of Turkish that are letters and apostrophes; a word of several parts has the features
    of all."""
    words: list[Gold] = []
    for sentence in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.split("\t") for line in sentence.splitlines() if line and line[0] != "#"]
        parts = {row[0]: row for row in rows if row[0].isdigit()}
        covered: set[str] = set()
        for row in rows:
            first, dash, last = row[0].partition("-")
            own = (
                [parts[str(number)] for number in range(int(first), int(last or first) + 1)] if first.isdigit() else []
            )
            if not own or row[0] in covered:
                continue
            covered |= {part[0] for part in own} if dash else set()
            form = lower(row[1], DOTTED)
            if form.replace("'", "").replace("’", "").isalpha() and form[0].isalpha():
                marks = sorted(
                    mark
                    for part in own
                    for mark in part[5].split("|")
                    if mark.startswith(INFLECTION) and mark not in UNMARKED
                )
                words.append(Gold(form, lower(own[0][2], DOTTED), "|".join(marks)))
    return words


def agreement(words: list[Gold], analyser: Analyser, window: int = 100) -> dict[str, Any]:
    """Share analysed, lemma accuracy over all words, adjusted mutual information of suffix classes and gold features,
    and the correlation over windows of our two measures with the same computed from the gold."""
    from sklearn.metrics import adjusted_mutual_info_score

    table = WordTable(analyser, 1 << 18)
    count = len(words) // window * window
    batch = Batch([" ".join(word.form for word in words[:count])])
    ours = table.words(batch, np.ones(1, bool))
    assert len(ours.lemmas) == count
    lemmas = np.where(
        [bool(word.lemma) for word in words[:count]], hash_words([word.lemma for word in words[:count]]), 0
    )
    features = np.where(
        [bool(word.features) for word in words[:count]], hash_words([word.features for word in words[:count]]), 0
    )
    documents = np.arange(count) // window
    mine = measure(Words(documents, ours.lemmas, ours.suffixes), count // window, window, 1)
    theirs = measure(Words(documents, lemmas.astype(np.uint64), features.astype(np.uint64)), count // window, window, 1)
    return {
        "words": count,
        "analysed": round(float((ours.lemmas != 0).mean()), 3),
        "lemmas_right": round(float((ours.lemmas == lemmas).mean()), 3),
        "form_is_lemma": round(float(np.mean([word.form == word.lemma for word in words[:count]])), 3),
        "suffix_mutual_information": round(float(adjusted_mutual_info_score(features, ours.suffixes)), 3),
        "classes": [len(Counter(ours.suffixes.tolist())), len(Counter(features.tolist()))],
        "entropy": [round(float(mine[0].mean()), 3), round(float(theirs[0].mean()), 3)],
        "entropy_correlation": round(float(np.corrcoef(mine[0], theirs[0])[0, 1]), 3),
        "diversity": [round(float(mine[1].mean()), 3), round(float(theirs[1].mean()), 3)],
        "diversity_correlation": round(float(np.corrcoef(mine[1], theirs[1])[0, 1]), 3),
    }
