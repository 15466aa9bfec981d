import re

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.dedup import buckets, paragraphs
from data_prep.text.batch import Batch

TEXTS = st.lists(st.text(alphabet="ab \n\n\n\t", max_size=30), min_size=1, max_size=6)


def by_hand(text: str) -> list[str]:
    """Paragraphs by a regular expression."""
    lines = [line.strip() for line in text.split("\n")]
    if all(lines):
        return lines
    return [block for block in re.split(r"\n\n+", "\n".join(lines).strip("\n")) if block]


@given(TEXTS)
def test_paragraphs_are_those_of_a_regular_expression(texts):
    batch = Batch(texts)
    spans = paragraphs.split(batch)
    for number, text in enumerate(texts):
        own = slice(spans.bounds[number], spans.bounds[number + 1])
        pieces = [
            text[start:end]
            for start, end in zip(
                spans.starts[own] - batch.starts[number], spans.ends[own] - batch.starts[number], strict=True
            )
        ]
        assert [re.sub(r"[ \t]*\n[ \t]*", "\n", piece) for piece in pieces] == by_hand(text)


@given(TEXTS, st.data())
def test_what_is_removed_and_what_stays(texts, data):
    for text in texts:
        pieces = by_hand(text)
        gone = data.draw(st.sets(st.integers(0, len(pieces) - 1))) if pieces else set()
        left = paragraphs.remove(text, gone)
        if len(gone) < len(pieces):
            stay = [piece for number, piece in enumerate(pieces) if number not in gone]
            separated = by_hand(left) if "\n\n" in re.sub(r"[ \t]", "", text) else left.split("\n")
            assert [word for piece in separated for word in piece.split()] == [
                word for piece in stay for word in piece.split()
            ]
        else:
            assert not left.strip() or not gone


def test_keys_are_blind_to_case_and_white_space_and_number_all_paragraphs():
    texts = [
        "Birinci bent uzundur.\n\nkısa\n\nİkinci  bent\nde uzundur.",
        "tek satır uzundur\nIkinci satır uzundur",
        "  \n",
    ]
    keys, documents, numbers = paragraphs.keys(Batch(texts, {"I": "ı", "İ": "i"}), 10)
    assert documents.tolist() == [0, 0, 1, 1] and numbers.tolist() == [0, 2, 0, 1]
    again, *_ = paragraphs.keys(Batch(["ikinci bent de UZUNDUR.", "x"], {"I": "ı", "İ": "i"}), 10)
    assert again.tolist() == [keys[1]] and len(set(keys.tolist())) == 4


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=5), min_size=1, max_size=12), st.data())
def test_the_first_occurrence_stays_whatever_the_shards(tmp_path, documents, data):
    """Each distinct paragraph is left once: in the first document, still alive, that has it."""
    texts = ["\n\n".join(f"{letter} uzun bir paragraf" for letter in letters) for letters in documents]
    alive = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3))), len(texts)]
    owners, numbers, folders, firsts = [], [], [], []
    for shard, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        keys, own, number = paragraphs.keys(Batch(texts[start:end]), 3)
        folders.append(tmp_path / str(shard))
        folders[-1].mkdir(exist_ok=True)
        buckets.write_sorted(folders[-1], keys[:, None])
        firsts.append(len(owners))
        owners += (own + start).tolist()
        numbers += number.tolist()
    parts = data.draw(st.integers(1, 3))
    mask = np.array([alive[owner] for owner in owners], bool)
    gone = np.concatenate([paragraphs.repeated(folders, firsts, part, parts, mask) for part in range(parts)])
    left = [
        paragraphs.remove(text, [numbers[place] for place in gone if owners[place] == number])
        for number, text in enumerate(texts)
        if alive[number]
    ]
    seen = [paragraph for text in left for paragraph in text.split("\n\n") if paragraph]
    wanted = dict.fromkeys(
        f"{letter} uzun bir paragraf"
        for letters, lives in zip(documents, alive, strict=True)
        if lives
        for letter in letters
    )
    assert seen == list(wanted)


def test_real_statutes_lose_nothing_that_occurs_once(legal):
    """Two documents twice over: the second copies lose every long paragraph, and nothing else."""
    texts = [text for text in legal if "\n" in text][:20]
    batch = Batch(texts)
    keys, documents, numbers = paragraphs.keys(batch, 200)
    distinct = np.unique(keys, return_index=True)[1]
    assert len(distinct) > 20
    chosen = paragraphs.split(batch).lengths >= 200
    assert chosen.sum() == len(keys)
    for document in range(5):
        own = numbers[documents == document]
        left = paragraphs.keys(Batch([paragraphs.remove(texts[document], own)]), 200)
        assert len(left[0]) == 0
