import numpy as np
import pytest

from common.errors import UserError
from data_prep.dedup import static_model
from data_prep.dedup.embedding import Embedder
from data_prep.tokenizer.backends import Reference
from data_prep.tokenizer.encoder import Encoder
from tests.data_prep.conftest import sentences

model2vec = pytest.importorskip("model2vec")
ODD = ["", " ", "[MASK]'sız", "a" * 3000, "ka le\n" * 400, "éł", "İın"]


@pytest.fixture(scope="module")
def folder(small_tokenizer, texts, tmp_path_factory):
    """A model over the small tokenizer."""
    model = static_model.learn(Encoder(small_tokenizer, print).encode(texts), small_tokenizer, 24)
    folder = tmp_path_factory.mktemp("embedder")
    model.save_pretrained(folder)
    return folder


def assert_alike(folder, texts):
    """Ours against model2vec's own, which looks up special tokens in text."""
    right = model2vec.StaticModel.from_pretrained(folder)
    right.tokenizer.encode_special_tokens = True
    vectors = Embedder(folder).embed(texts)
    expected = right.encode(texts)
    assert vectors.dtype == np.float16 and vectors.shape == expected.shape
    np.testing.assert_allclose(vectors, expected, atol=2e-3)
    return vectors


def test_equal_to_model2vec(folder):
    vectors = assert_alike(folder, sentences(50, seed=1) + ODD)
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    assert np.allclose(lengths[:50], 1, atol=1e-3) and lengths[50] == 0
    assert Embedder(folder).embed([]).shape == (0, 24) and Embedder(folder).dimensions == 24


def test_truncation_weights_and_mapping_are_those_of_model2vec(folder, tmp_path):
    whole = model2vec.StaticModel.from_pretrained(folder)
    rows = np.arange(len(whole.embedding)) % 40
    other = model2vec.StaticModel(
        whole.embedding[:40], whole.tokenizer, token_mapping=rows, weights=np.linspace(0.1, 2, len(rows)),
        normalize=True, max_length=7,
    )  # fmt: skip
    other.save_pretrained(tmp_path)
    assert_alike(tmp_path, sentences(50, seed=2) + ODD)


@pytest.mark.parametrize("tokens", [512, 3])
def test_a_word_level_model_with_unknown_words(tmp_path, tokens):
    """What potion models are made of: another kind of tokenizer, which the fast libraries refuse; unknown tokens count
    for nothing, but towards the length."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: number for number, word in enumerate(["[UNK]", "mahkeme", "karar", "verdi", "temyiz", "o"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)
    model2vec.StaticModel(vectors, tokenizer, normalize=True, max_length=tokens).save_pretrained(tmp_path)
    texts, said = ["Mahkeme karar verdi", "hiçbiri", "x o y karar o", "o o karar o"], []
    right = model2vec.StaticModel.from_pretrained(tmp_path).encode(texts)
    np.testing.assert_allclose(Embedder(tmp_path, said.append).embed(texts), right, atol=2e-3)
    assert any("gigatoken" in line for line in said)


def test_a_vector_does_not_depend_on_the_batch(folder):
    texts, embedder = sentences(40, seed=3), Embedder(folder)
    assert np.array_equal(embedder.embed(texts), np.concatenate([embedder.embed(texts[:7]), embedder.embed(texts[7:])]))


def test_copies_are_nearer_than_strangers(folder):
    texts, embedder = sentences(60, seed=4), Embedder(folder)
    copies = [" ".join(text.split()[:-1][::-1]) for text in texts]
    cosines = embedder.embed(texts).astype(np.float32) @ embedder.embed(copies).astype(np.float32).T
    own = cosines.diagonal()
    assert np.median(own) > 0.9 and (own > np.where(np.eye(60, dtype=bool), -1, cosines).max(axis=1)).mean() > 0.9


def test_semhash_takes_the_model(folder):
    semhash = pytest.importorskip("semhash")
    texts = sentences(50, seed=5)
    index = semhash.SemHash.from_records(
        texts + [texts[0] + " ka"], model=model2vec.StaticModel.from_pretrained(folder)
    )
    assert len(index.self_deduplicate(0.95).selected) == 50


class Failing:
    """A backend that is broken, or says nonsense."""

    name = "failing"

    def __init__(self, ids):
        self.ids = ids

    def encode(self, texts):
        """Wrong ids, or an error."""
        if self.ids is None:
            raise RuntimeError("panic")
        return [np.array(self.ids, np.uint32) for _ in texts]


@pytest.mark.parametrize(("ids", "reason"), [(None, "fails \\(panic\\)"), ([1, 2], "gives other ids than tokenizers")])
def test_a_faulty_backend_is_passed_over(small_tokenizer, ids, reason):
    import re

    said = []
    encoder = Encoder(small_tokenizer, said.append)
    encoder.backend = Failing(ids)
    texts = sentences(10)
    right = Reference(encoder.reference.reference).encode(texts)
    assert all(map(np.array_equal, encoder.encode(texts), right))
    assert re.search(f"failing {reason}", said[0])


def test_no_model_and_too_few_documents(small_tokenizer, texts, tmp_path):
    with pytest.raises(
        UserError, match="is not a model2vec StaticModel: config.json is missing; make one with jobs.embedder"
    ):
        Embedder(tmp_path)
    with pytest.raises(UserError, match="10 documents are too few for corpus.semantic.dimensions=24"):
        static_model.learn(Encoder(small_tokenizer, print).encode(texts[:10]), small_tokenizer, 24)
