import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from common.errors import UserError
from conf.schema.data import TokenizerConfig
from data_prep.tokenizer import morphemes, report
from data_prep.tokenizer.patterns import untrained


def made_of(*tokens):
    """A tokenizer that knows the bytes and ``tokens`` (each built from left to right)."""
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab, merges = {c: i for i, c in enumerate(characters)}, []
    tokenizer = untrained(TokenizerConfig())
    for token in tokens:
        (piece, _), *_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(token)
        left = piece[0]
        for right in piece[1:]:
            if left + right not in vocab:
                vocab[left + right] = len(vocab)
                merges.append((left, right))
            left += right
    made = Tokenizer(models.BPE(vocab, merges))
    made.normalizer, made.pre_tokenizer, made.decoder = tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder
    return made


def test_figures_by_hand():
    tokenizer = made_of(" evde", "ev", "ş")
    figures = report.measure(tokenizer, ["ev evde,", "ş evler x\n"])
    # ev | _evde | ,      ş | _ev... : "_ev" is a prefix of _evde, then l e r | _ x | \n
    assert [tokenizer.decode([i]) for i in tokenizer.encode("ş evler x\n").ids] == [
        "ş",
        " ev",
        "l",
        "e",
        "r",
        " ",
        "x",
        "\n",
    ]
    assert figures["tokens"] == 3 + 8 and figures["words"] == 2 + 3 and figures["documents"] == 2
    assert figures["fertility"] == pytest.approx(11 / 5) and figures["characters_per_token"] == pytest.approx(
        18 / 11, abs=1e-4
    )
    # tokens with a letter: ev, _evde, ş, _ev, l, e, r, x; whole words: ev, _evde, ş, x
    assert figures["whole_word"] == pytest.approx(4 / 8)


def test_the_bytes_of_a_character_are_no_whole_word():
    assert report.measure(made_of(), ["ş"])["whole_word"] == 0
    assert report.measure(made_of("ş"), ["ş", "s\u0327"])["whole_word"] == 1  # the second becomes the first by NFC


def test_empty_text_is_measured_as_nothing():
    assert report.measure(made_of(), [""])["fertility"] == 0


TREEBANK = """# sent_id = 1
# text = Evler evde, evdeymiş.
1	Evler	ev	NOUN	_	_	0	root	_	_
2	evde	ev	NOUN	_	_	1	dep	_	SpaceAfter=No
3	,	,	PUNCT	_	_	1	punct	_	_
4-5	evdeymiş	_	_	_	_	_	_	_	SpaceAfter=No
4	evdey	ev	NOUN	_	_	1	dep	_	_
5	miş	y	AUX	_	_	1	cop	_	_
5.1	_	_	_	_	_	_	_	_	_
6	.	.	PUNCT	_	_	1	punct	_	_

# text = Itır gitti evler
1	Itır	ıtır	NOUN	_	_	0	root	_	_
2	gitti	git	VERB	_	_	1	dep	_	_
3	evler	ev	NOUN	_	_	1	dep	_	_
"""


def test_a_treebank_is_read_with_its_multiword_tokens(tmp_path):
    path = tmp_path / "tr_x.conllu"
    path.write_text(TREEBANK)
    (text, words), (_, more) = morphemes.read_conllu(path)
    assert [(w.form, w.stem, text[w.start : w.start + len(w.form)]) for w in words] == [
        ("Evler", 2, "Evler"), ("evde", 2, "evde"), (",", 1, ","), ("evdeymiş", 2, "evdeymiş"), (".", 1, "."),
    ]  # fmt: skip
    assert [(w.form, w.stem) for w in more] == [("Itır", 4), ("gitti", 3), ("evler", 2)]


def test_the_parts_of_a_multiword_token_are_not_words(tmp_path):
    path = tmp_path / "tr_x.conllu"
    rows = ["1-2\tevdeymiş\t_", "1\tevdey\tev", "2\tmiş\ty", "3\tmiş\tmiş"]
    path.write_text("# text = evdeymiş miş\n" + "\n".join(row + "\t_" * 7 for row in rows) + "\n")
    ((_, words),) = morphemes.read_conllu(path)
    assert [(w.start, w.form, w.stem) for w in words] == [(0, "evdeymiş", 2), (9, "miş", 3)]


def test_morphemes_by_hand(tmp_path):
    path = tmp_path / "tr_x.conllu"
    path.write_text(TREEBANK)
    tokenizer = made_of(" ev", "Ev", "ler", "Itır", " gitt")
    # Ev|ler  _ev|d|e  _ev|d|e|y|m|i|ş(2 bytes)  Itır  _gitt|i  _ev|ler ; endings seen twice: only "ler"
    figures = morphemes.measure(tokenizer, path)
    assert figures["words"] == 6 and figures["covered"] == 1
    tokens = 2 + 3 + 8 + 1 + 2 + 2
    assert figures["whole_morpheme"] == pytest.approx((2 + 1 + 1 + 1 + 0 + 2) / tokens, abs=1e-4)
    assert figures["stem_kept"] == pytest.approx(4 / 5)  # gitt|i crosses git+ti


def test_the_shared_treebank(shared_data):
    path = shared_data / "ud" / "tr_boun-ud-dev.conllu"
    assert sum(1 for _ in morphemes.read_conllu(path)) == 979
    letters = morphemes.measure(made_of(), path)
    assert letters["stem_kept"] == 1 and letters["covered"] > 0.8  # single letters never cross a border


def test_faults_are_named(tmp_path):
    path = tmp_path / "tr_x.conllu"
    path.write_text("# text = a\n1\ta\n\n")
    with pytest.raises(UserError, match="tr_x.conllu line 2 has 2 columns"):
        list(morphemes.read_conllu(path))
    with pytest.raises(UserError, match="tokenizer.morphemes=.*none.conllu cannot be read"):
        list(morphemes.read_conllu(tmp_path / "none.conllu"))


def test_a_report_of_two_tokenizers_by_language(tmp_path, capsys):
    (tmp_path / "tr_x.conllu").write_text(TREEBANK)
    figures = report.build(
        {"this": made_of("the"), "other": made_of()}, {"tr": ["evde"], "en": ["the the"]}, str(tmp_path / "tr_x.conllu")
    )
    assert list(figures) == ["en", "tr"] and figures["en"]["this"]["fertility"] < figures["en"]["other"]["fertility"]
    assert figures["tr"]["other"]["morphemes"]["treebank"] == "tr_x.conllu"
    report.print_report(figures)
    assert "whole morphemes" in capsys.readouterr().out
