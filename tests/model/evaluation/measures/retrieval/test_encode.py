"""Tokenising, batching and pooling against plain computations."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from common.errors import UserError
from conf.schema import EncoderConfig, ParallelConfig
from model.evaluation.measures.retrieval.encode import Tokeniser, Tokens, encode
from model.megatron.startup import start
from model.nets.encoder import build_encoder
from model.nets.pack import Pack

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = (
    "Anlaşmazlıkların ,. adalet ve hakkaniyete uygun çözümlenmesini; 12345 numaralı kanunun tam olarak"
    " uygulanmasını... "
)


def make_tokenizer(folder, specials=SPECIALS):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [TEXT] * 3, trainers.BpeTrainer(vocab_size=400, special_tokens=specials, initial_alphabet=alphabet)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize("max_tokens", [3, 8, 32, 500])
def test_tokens_are_the_first_of_the_whole_text(tokenizer_file, max_tokens):
    rng = np.random.default_rng(0)
    words = [*TEXT.split(), "a" * 300, "\n\n", "  ", "ﬁn", "日本語" * 40]
    texts = ["", " ", TEXT, TEXT * 60, "日本語" * 900] + [
        " ".join(rng.choice(words, rng.integers(1, 400))) for _ in range(60)
    ]
    found = Tokeniser(tokenizer_file)(texts, max_tokens)
    peer = Tokenizer.from_file(str(tokenizer_file))
    for text, ids, shown in zip(texts, found.ids, found.shown, strict=True):
        whole = peer.encode(text, add_special_tokens=False)
        assert ids.tolist() == [2, *whole.ids[: max_tokens - 2], 3]
        assert shown == (len(text) if len(whole.ids) <= max_tokens - 2 else whole.offsets[max_tokens - 3][1])
    assert found.count == sum(map(len, found.ids))


@pytest.mark.parametrize("begins", [True, False])
def test_a_decoders_text_stands_in_what_its_template_says(tmp_path, begins):
    file = make_tokenizer(tmp_path, ["<|endoftext|>", "<|begin|>"])
    peer = Tokenizer.from_file(str(file))
    if begins:
        peer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 1)])
        peer.save(str(file))
    texts = ["", "a", TEXT, TEXT * 60]
    found = Tokeniser(file)(texts, 40)
    assert found.around == (int(begins), 0)
    for text, ids in zip(texts, found.ids, strict=True):
        assert ids.tolist() == (peer.encode(text).ids[:40] or [0])


def test_missing_tokenizer_and_missing_specials(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer.json does not exist"):
        Tokeniser(tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match=r"has no token \[SEP\]; train a tokenizer with tokenizer.mlm_tokens=true"):
        Tokeniser(make_tokenizer(tmp_path, ["[PAD]", "[CLS]"]))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="is not a tokenizer"):
        Tokeniser(tmp_path / "tokenizer.json")


def test_batches_hold_every_text_once_within_their_size_and_frequent_lengths_alone():
    lengths = [7, 200, *[40] * 20, 3, 9, 7, 80]
    batches = Tokens([np.zeros(length, int) for length in lengths], [0] * len(lengths)).batches(100)
    found = [[lengths[i] for i in batch] for batch in batches]
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert found == [*[[40, 40]] * 10, [3, 7, 7, 9], [80], [200]]


def test_pooling_equals_one_text_at_a_time_in_any_batches():
    start(ParallelConfig(threads=1), 0)
    shape = EncoderConfig(
        vocab_size=90, num_layers=4, hidden_size=32, num_heads=2, ffn_size=32, max_positions=256, local_window=16
    )
    model = build_encoder(shape).eval()
    rng = np.random.default_rng(0)
    lengths = [2, 3, 3, *[40] * 16, 200, 7, 40, 3]
    tokens = Tokens([rng.integers(0, 90, length) for length in lengths], [0] * len(lengths))
    for size in (1, 80, 4096):
        found = encode(model, tokens, size)
        for position, ids in enumerate(tokens.ids):
            with torch.inference_mode():
                emb, last = model.hidden(Pack.from_documents([ids]))
            torch.testing.assert_close(found["cls"][position], last[0], atol=1e-5, rtol=1e-4)
            if len(ids) > 2:
                torch.testing.assert_close(found["emb"][position], emb[1:-1].mean(0), atol=1e-5, rtol=1e-4)
                torch.testing.assert_close(found["last"][position], last[1:-1].mean(0), atol=1e-5, rtol=1e-4)
    assert not found["last"][0].any()


@pytest.mark.parametrize("length", [3, 5])
def test_equal_texts_have_equal_vectors_wherever_they_stand(length):
    """The last of four batches holds one text alone: alone, its vector has other last bits than among twelve."""
    start(ParallelConfig(threads=1), 0)
    shape = EncoderConfig(
        vocab_size=90, num_layers=2, hidden_size=256, num_heads=4, ffn_size=384, max_positions=256, local_window=16
    )
    model = build_encoder(shape).eval()
    rng = np.random.default_rng(0)
    one, *others = (rng.integers(0, 90, size) for size in (length, *range(2, 20)))
    ids = [one] * 39 + others + [one]
    found = encode(model, Tokens(ids, [0] * len(ids)), 13 * length)
    for part in found.values():
        assert len(part) == len(ids) and all(part[place].equal(part[0]) for place in [*range(39), -1])
        assert not any(part[place].equal(part[0]) for place in range(42, 57))
