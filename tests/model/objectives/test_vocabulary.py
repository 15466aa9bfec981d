"""Special tokens and word starts, against the tokenizer itself."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from common.errors import UserError
from model.objectives.vocabulary import Vocabulary


@pytest.fixture
def tokenizer(tokenizer_folder):
    return Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))


def test_arrays_agree_with_the_tokenizer(tokenizer, tokenizer_folder):
    vocabulary = Vocabulary(tokenizer_folder)
    assert vocabulary.size == tokenizer.get_vocab_size()
    assert vocabulary.mask == tokenizer.token_to_id("[MASK]")
    assert np.flatnonzero(vocabulary.special).tolist() == [0, 1, 2, 3, 4]
    assert vocabulary.ordinary.tolist() == list(range(5, tokenizer.get_vocab_size()))


def test_word_starts_are_those_of_the_pre_tokenizer(tokenizer, tokenizer_folder, sample_text):
    encoding = tokenizer.encode(sample_text(100, 300))
    words = np.array(encoding.word_ids)
    assert len(words) > 2 * len(set(words))  # most words are in pieces, some of them within a character
    starts = Vocabulary(tokenizer_folder).word_starts(np.array(encoding.ids))
    assert np.array_equal(starts, np.diff(words, prepend=-1) != 0)


def test_punctuation_digits_and_special_tokens_stand_apart(tokenizer, tokenizer_folder):
    pieces = "[CLS] | k a | 1 2 | . | . | a | Ġ k a | Ġ | Ġ k | [SEP] | a | Ċ | a | [MASK]"
    words = [[tokenizer.token_to_id(piece) for piece in word.split()] for word in pieces.split("|")]
    expected = [place == 0 for word in words for place, _ in enumerate(word)]
    assert Vocabulary(tokenizer_folder).word_starts(np.concatenate(words)).tolist() == expected


def test_no_mask_token(tokenizer_folder, tmp_path):
    (tmp_path / "tokenizer.json").write_text(
        (tokenizer_folder / "tokenizer.json").read_text().replace("[MASK]", "[HIDE]")
    )
    with pytest.raises(
        UserError, match=r"tokenizer.json has no mask token \[MASK\]; train a tokenizer with tokenizer.mlm_tokens=true"
    ):
        Vocabulary(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"mask_token": {"content": "[HIDE]"}}))
    assert Vocabulary(tmp_path).mask == 4


def test_words_need_a_byte_level_tokenizer(tokenizer_folder, tmp_path):
    tokenizer = json.loads((tokenizer_folder / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(
        json.dumps(tokenizer | {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}})
    )
    with pytest.raises(UserError, match=r"is not a byte-level tokenizer.*set objective.whole_word=false"):
        _ = Vocabulary(tmp_path).kinds
