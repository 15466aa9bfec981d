"""Tokenizer and generation files go with a decoder."""

import json

import pytest
from transformers import AutoTokenizer, GenerationConfig

from common.errors import UserError
from model.hf.decoder.folder import export_decoder


@pytest.fixture
def source(tokenizer_folder, tmp_path):
    """The folder of a chat model's tokenizer: every kind of file that such folders have."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    for file in tokenizer_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": {"content": "[SEP]"},
        "bos_token": None,
        "unk_token": "[UNK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]", "eos_token": "[MASK]"}))
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    for name in ("vocab.json", "merges.txt", "added_tokens.json"):
        (folder / name).write_text("{}")
    return folder


def written(folder, name):
    return json.loads((folder / name).read_text())


def test_files_and_ids(source, qwen, random_decoder, tmp_path):
    output = tmp_path / "hf"
    export_decoder(random_decoder(qwen), qwen, output, source)
    for name in (
        "tokenizer.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "vocab.json",
        "merges.txt",
        "added_tokens.json",
    ):
        assert (output / name).read_bytes() == (source / name).read_bytes(), name
    assert written(output, "tokenizer_config.json")["model_max_length"] == qwen.max_positions
    ids = {"bos_token_id": None, "eos_token_id": 3, "pad_token_id": 0}
    found = written(output, "config.json")
    assert {key: found[key] for key in ids} == ids
    assert written(output, "generation_config.json") == {"eos_token_id": 3, "pad_token_id": 0}
    assert GenerationConfig.from_pretrained(output).eos_token_id == 3


def test_the_generation_config_of_the_source_is_carried(source, qwen, random_decoder, tmp_path):
    own = {"eos_token_id": [3, 4], "temperature": 0.6, "do_sample": True}
    (source / "generation_config.json").write_text(json.dumps(own))
    export_decoder(random_decoder(qwen), qwen, tmp_path / "hf", source)
    assert written(tmp_path / "hf", "generation_config.json") == own
    assert GenerationConfig.from_pretrained(tmp_path / "hf").eos_token_id == [3, 4]


def test_a_tokenizer_made_for_encoders_ends_documents_with_its_separator(
    tokenizer_folder, qwen, random_decoder, tmp_path
):
    export_decoder(random_decoder(qwen), qwen, tmp_path, tokenizer_folder)
    assert written(tmp_path, "generation_config.json") == {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


def test_it_writes_text(tokenizer_folder, qwen, random_decoder, causal_lm, tmp_path):
    export_decoder(random_decoder(qwen), qwen, tmp_path, tokenizer_folder)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path), causal_lm(tmp_path)
    inputs = tokenizer("Kira", return_tensors="pt")["input_ids"]
    assert model.generate(inputs, max_new_tokens=5, do_sample=False).shape[1] > inputs.shape[1]


def test_a_missing_tokenizer_is_named(qwen, random_decoder, tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere/tokenizer.json does not exist; name the folder that jobs.tokenizer wrote"
    ):
        export_decoder(random_decoder(qwen), qwen, tmp_path / "hf", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["merges.txt", "generation_config.json", "tokenizer_config.json"])
def test_a_link_to_somebodys_file_is_not_copied(source, qwen, random_decoder, tmp_path, name):
    (tmp_path / "secret").write_text('{"auths": "geheim"}')
    (source / name).unlink(missing_ok=True)
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=rf"{name} is a link that leads out of its folder, to .*secret"):
        export_decoder(random_decoder(qwen), qwen, tmp_path / "hf", source)


def test_the_cache_of_the_hub_is_made_of_links(source, qwen, random_decoder, tmp_path):
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    source.rename(blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    export_decoder(random_decoder(qwen), qwen, tmp_path / "hf", snapshot)
    assert (tmp_path / "hf" / "merges.txt").read_bytes() == (blobs / "merges.txt").read_bytes()
