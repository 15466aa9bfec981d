"""What is in an exported folder, and that transformers and sentence-transformers load it."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors import safe_open

from common.errors import UserError
from conf.schema import ParallelConfig
from model.hf.card import model_card
from model.hf.modernbert.folder import export_modernbert, load_modernbert
from model.nets.encoder import build_encoder
from model.nets.pack import Pack

TEXTS = ["Kiracı, kira bedelini ödemekle yükümlüdür.", "a", "A longer text. " * 50]


def written(folder, name="config.json"):
    return json.loads((folder / name).read_text())


def stored(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)


@torch.no_grad()
def test_auto_classes_load_model_and_tokenizer(config, randomised, tokenizer_folder, tmp_path):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = randomised(config)
    export_modernbert(model, config, tmp_path, tokenizer_folder)
    tokenizer, peer = AutoTokenizer.from_pretrained(tmp_path), AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    assert tokenizer.model_max_length == 1024
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    pack = Pack.from_documents([np.array(tokenizer(text)["input_ids"]) for text in TEXTS])
    assert pack.tokens[0] == 2 and pack.tokens[-1] == 3
    torch.testing.assert_close(peer(**batch).logits[batch["attention_mask"].bool()], model(pack), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_sentence_transformers_embeds_with_the_mean(config, randomised, tokenizer_folder, tmp_path):
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer

    model = randomised(dataclasses.replace(config, max_positions=256))
    export_modernbert(model, model.encoder_config, tmp_path, tokenizer_folder)
    loaded = SentenceTransformer(str(tmp_path), device="cpu")
    assert loaded.max_seq_length == 256
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    texts = [np.array(tokenizer(text, truncation=True)["input_ids"]) for text in TEXTS]
    assert len(texts[2]) == 256
    means = torch.stack(
        [states.mean(0) for states in model.hidden(Pack.from_documents(texts))[1].split([len(text) for text in texts])]
    )
    torch.testing.assert_close(torch.from_numpy(loaded.encode(TEXTS)), means, rtol=1e-4, atol=1e-4)


def test_configuration_as_transformers_names_it(config, randomised, tokenizer_folder, tmp_path):
    config = dataclasses.replace(config, attention_out_dropout=0.2, embedding_dropout=0.05, local_window=64)
    export_modernbert(randomised(config), config, tmp_path, tokenizer_folder)
    found = written(tmp_path)
    expected = {
        "model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"], "dtype": "float32", "vocab_size": 300,
        "local_attention": 64,
        "pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3,
        "tie_word_embeddings": True,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
        "attention_dropout": 0.0, "attention_out_dropout": 0.2, "embedding_dropout": 0.05,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 160_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    assert load_modernbert(tmp_path)[0] == config


@pytest.mark.parametrize("tied", [True, False])
def test_tied_weights_stay_tied(tied, config, randomised, theirs, tmp_path):
    config = dataclasses.replace(config, tie_embeddings=tied)
    export_modernbert(randomised(config), config, tmp_path)
    assert ("decoder.weight" in stored(tmp_path)) != tied
    peer = theirs(tmp_path)
    assert (peer.decoder.weight is peer.model.embeddings.tok_embeddings.weight) == tied
    assert load_modernbert(tmp_path)[1].share_embeddings_and_output_weights == tied


def test_shards(config, randomised, theirs, tmp_path):
    model = randomised(config)
    export_modernbert(model, config, tmp_path / "one")
    export_modernbert(model, config, tmp_path / "many", shard_bytes=100_000)
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 3
    _, again = load_modernbert(tmp_path / "many")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    one, many = theirs(tmp_path / "one").state_dict(), theirs(tmp_path / "many").state_dict()
    assert one.keys() == many.keys() and all(torch.equal(one[name], many[name]) for name in one)


def test_bf16_keeps_its_precision(config, tmp_path):
    model = build_encoder(config, ParallelConfig(precision="bf16"))
    export_modernbert(model, config, tmp_path)
    assert {tensor.dtype for tensor in stored(tmp_path).values()} == {torch.bfloat16} and written(tmp_path)[
        "dtype"
    ] == "bfloat16"
    _, again = load_modernbert(tmp_path)
    assert all(torch.equal(a.float(), b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_rmsnorm_is_refused_before_anything_is_written(config, tmp_path):
    config = dataclasses.replace(config, norm="rmsnorm")
    with pytest.raises(UserError, match=r"no model.norm=rmsnorm; train with model.norm=layernorm to export"):
        export_modernbert(build_encoder(config), config, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_missing_tokenizer_is_named(config, randomised, tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere/tokenizer.json does not exist; name the folder that jobs.tokenizer wrote"
    ):
        export_modernbert(randomised(config), config, tmp_path / "hf", tmp_path / "nowhere")


def test_card(config):
    text = model_card(
        "tiny-legal", config, 123_456, facts={"data": "court | law", "tokens": 2_000_000, "learning rate": 8e-5},
        language=["tr", "en"],
        license="apache-2.0", results={"Results": [{"split": "test", "nDCG@10": 0.30412}, {"split": "dev",
        "nDCG@10": 0.25}]},
    )  # fmt: skip
    header, body = text.removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(header)["language"] == ["tr", "en"] and yaml.safe_load(header)["license"] == "apache-2.0"
    pieces = (
        "# tiny-legal",
        "123,456 parameters",
        "| tokens | 2,000,000 |",
        "| 8e-05 |",
        r"court \| law",
        "| test | 0.3041 |",
        "0, 3, 6,",
    )
    assert not [piece for piece in pieces if piece not in body]
    assert yaml.safe_load(header).keys() == {"language", "license", "library_name", "pipeline_tag", "tags"}
    norwegian = ModelCard(
        model_card("no", config, 1, language="no", base_model="a/b", datasets=["c/d", "c/d"], data="Read by it.\n")
    )
    assert (norwegian.data.language, norwegian.data.base_model, norwegian.data.datasets) == (["no"], "a/b", ["c/d"])
    assert "## Training data\n\nRead by it." in norwegian.text
    bare = model_card("tiny", config, 1)
    assert not [part for part in ("language:", "license:", "## Training", "## Results") if part in bare]
