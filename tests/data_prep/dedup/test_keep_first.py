"""Buckets and clusters: from keys to who repeats whom, however the documents are cut into shards."""

import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.schema.duplicates import DuplicatesConfig
from data_prep.dedup import buckets
from data_prep.dedup.clusters import components
from data_prep.dedup.signature import Signer, shingles
from data_prep.text.batch import Batch
from data_prep.text.language import load_language
from tests.data_prep.dedup.conftest import TURKISH, altered

PROFILE = load_language("tr")


def clusters_of(keys: np.ndarray, cuts: list[int], parts: int, folder, alive: np.ndarray | None = None) -> np.ndarray:
    """All stages over shards that end at ``cuts``, the edges in an order of their own."""
    firsts = [0, *sorted(cuts)]
    folders = [folder / f"{number}" for number in range(len(firsts))]
    for home, start, end in zip(folders, firsts, [*firsts[1:], len(keys)], strict=True):
        home.mkdir(exist_ok=True)
        buckets.write_sorted(home, keys[start:end])
    work = [(column, part) for column in range(keys.shape[1]) for part in range(parts)]
    random.Random(len(cuts)).shuffle(work)
    return components((buckets.edges(folders, firsts, column, part, parts, alive) for column, part in work), len(keys))


def by_hand(keys: np.ndarray) -> np.ndarray:
    """The same with sets alone."""
    groups = [{number} for number in range(len(keys))]
    for column in keys.T:
        for number, key in enumerate(column):
            first = column.tolist().index(key)
            if groups[first] is not groups[number]:
                groups[first] |= groups[number]
                for member in groups[number]:
                    groups[member] = groups[first]
    return np.array([min(group) for group in groups])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_shards_and_parts_do_not_matter(tmp_path, data):
    values = data.draw(st.sampled_from([[0, 1, 2, 3, 1 << 63, (1 << 64) - 1], list(range(0, 1 << 64, 1 << 59))]))
    rows = data.draw(st.lists(st.lists(st.sampled_from(values), min_size=3, max_size=3), min_size=1, max_size=30))
    keys = np.array(rows, np.uint64)
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    clusters = clusters_of(keys, cuts, data.draw(st.integers(1, 5)), tmp_path)
    assert clusters.tolist() == by_hand(keys).tolist()
    assert (clusters <= np.arange(len(keys))).all() and np.array_equal(clusters[clusters], clusters)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 40), st.lists(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=15), max_size=6)
)
def test_components_are_those_of_scipy(documents, pieces):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pieces = [np.array(piece, np.int64).reshape(-1, 2) % documents for piece in pieces]
    firsts = components(pieces, documents)
    edges = np.concatenate([np.empty((0, 2), np.int64), *pieces])
    count, labels = connected_components(
        coo_array((np.ones(len(edges)), edges.T), (documents, documents)), directed=False
    )
    assert len(set(firsts)) == count and len(set(zip(firsts, labels, strict=True))) == count
    assert all(firsts[number] == np.flatnonzero(labels == labels[number])[0] for number in range(documents))


def test_documents_that_are_gone_tie_nobody(tmp_path):
    keys = np.array([[5], [5], [7], [5], [7]], np.uint64)
    alive = np.array([False, True, True, True, False])
    assert clusters_of(keys, [2], 2, tmp_path, alive).tolist() == [0, 1, 2, 1, 4]


def test_parts_are_equally_large(tmp_path):
    keys = np.random.default_rng(0).integers(0, 1 << 64, 2000, np.uint64)
    buckets.write_sorted(tmp_path, np.concatenate([keys, keys])[:, None])
    shares = [len(buckets.edges([tmp_path], [0], 0, part, 4)) / 2000 for part in range(4)]
    assert sum(shares) == 1 and all(0.2 < share < 0.3 for share in shares)


def test_no_documents(tmp_path):
    (tmp_path / "a").mkdir()
    buckets.write_sorted(tmp_path / "a", np.empty((0, 2), np.uint64))
    assert buckets.edges([tmp_path / "a"], [0], 1, 0, 1).shape == (0, 2) and buckets.edges([], [], 0, 0, 1).shape == (
        0,
        2,
    )
    assert components([], 0).shape == (0,)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 120), max_size=6), st.integers(1, 3))
def test_keep_first_on_real_text_whatever_the_shards(legal, tmp_path, cuts, parts):
    """Decisions with planted copies: who is dropped for whom does not depend on how the documents are cut."""
    keys = planted(legal)
    whole = clusters_of(keys, [], 1, tmp_path)
    assert (whole[60:] < 60).sum() >= 40
    assert np.array_equal(clusters_of(keys, cuts, parts, tmp_path), whole)


CONFIG = DuplicatesConfig()
KEYS: dict[int, np.ndarray] = {}


def planted(legal: list[str]) -> np.ndarray:
    """Keys of 60 documents and a near copy of each."""
    if id(legal) not in KEYS:
        draw, words = random.Random(0), " ".join(legal[100:120]).split()
        texts = [text[:4000] for text in legal[:60]]
        KEYS[id(legal)] = Signer(DuplicatesConfig(), PROFILE).keys(
            Batch(texts + [altered(text, 0.02, words, draw) for text in texts], TURKISH)
        )
    return KEYS[id(legal)]


@pytest.fixture(scope="module")
def copies(legal):
    """Real documents and altered copies; the chance of each pair to meet in a band; our keys."""
    texts = [text[:3000] for text in legal[:240]]
    draw, words = random.Random(3), " ".join(texts[:20]).split()
    texts += [altered(text, draw.choice([0.01, 0.02, 0.04]), words, draw) for text in texts]
    batch = Batch(texts, TURKISH)
    flat, offsets = shingled(batch)
    chance = 1 - (1 - similarities(flat, offsets) ** CONFIG.rows) ** CONFIG.bands
    return texts, flat, offsets, np.tril(chance, -1), Signer(CONFIG, PROFILE).keys(batch)


def shingled(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    return shingles(batch, PROFILE.shingle)


def test_pairs_are_those_of_datasketch_but_for_chance(copies):
    """datasketch on the same shingles, with hash functions of its own, and both against the exact similarity of all
    pairs."""
    datasketch = pytest.importorskip("datasketch")
    texts, flat, offsets, chance, keys = copies
    theirs = np.zeros(chance.shape, bool)
    lsh = datasketch.MinHashLSH(params=(CONFIG.bands, CONFIG.rows), num_perm=CONFIG.bands * CONFIG.rows)
    for number, (start, end) in enumerate(zip(offsets, offsets[1:], strict=False)):
        minhash = datasketch.MinHash(
            num_perm=CONFIG.bands * CONFIG.rows, seed=1, hashfunc=lambda value: int(value) >> 32
        )
        minhash.update_batch(flat[int(start) : int(end)])
        theirs[number, lsh.query(minhash)] = True
        lsh.insert(number, minhash)
    others = [Signer(DuplicatesConfig(seed=seed), PROFILE).keys(Batch(texts, TURKISH)) for seed in range(2, 9)]
    ours = [np.tril((keys[:, None, 1:] == keys[None, :, 1:]).any(axis=2), -1) for keys in (keys, *others)]
    for met in (*ours, theirs):
        assert met[chance > 0.9999].all() and not met[chance < 1e-6].any()
    # texts that share a formula meet together or not at all: of one seed the number varies by a tenth
    for count in (np.mean([met.sum() for met in ours]), theirs.sum()):
        assert chance.sum() > 100 and abs(count - chance.sum()) < 0.1 * chance.sum()


def test_clusters_are_those_of_datatrove_but_for_chance(copies, tmp_path):
    """datatrove's stages from disk on the same shingles: what surely belongs together does so on both sides, and of the
    others as many are alike as with other seeds of ours."""
    pytest.importorskip("datatrove")
    from benchmarks.minhash_peers import Regex, SameShingles, firsts, settings, stages

    texts, _, _, chance, keys = copies
    jsonl = tmp_path / "texts.jsonl"
    jsonl.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    stage = SameShingles(str(tmp_path / "signatures"), settings(CONFIG), Regex())
    stage.shingles_of = lambda text: shingled(Batch([text], TURKISH))[0]
    theirs = firsts(stages(jsonl, tmp_path, stage), len(texts))
    ours = clusters_of(keys, [100, 333], 2, tmp_path)
    sure = np.argwhere(chance > 0.9999)
    for side in (ours, theirs):
        assert (side[sure[:, 0]] == side[sure[:, 1]]).all()
    others = [Signer(DuplicatesConfig(seed=seed), PROFILE).keys(Batch(texts, TURKISH)) for seed in range(2, 8)]
    by_chance = [both_drop(ours, clusters_of(other, [], 1, tmp_path)) for other in others]
    assert both_drop(ours, theirs) > min(by_chance) - 0.05 and min(by_chance) > 0.6


def both_drop(ours: np.ndarray, other: np.ndarray) -> float:
    """Of the documents that one or the other drops, the share that both drop."""
    first, second = (side != np.arange(len(side)) for side in (ours, other))
    return (first & second).sum() / (first | second).sum()


def similarities(flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """[n, n] exact Jaccard similarity of sets of shingles."""
    from scipy.sparse import csr_array

    _, columns = np.unique(flat, return_inverse=True)
    holds = csr_array((np.ones(len(flat)), columns, offsets.astype(np.int64)))
    holds.sum_duplicates()
    holds.data[:] = 1
    both = (holds @ holds.T).toarray()
    sizes = both.diagonal()
    return both / (sizes[:, None] + sizes[None, :] - both)
