"""config.json of decoders: as published, as transformers 4 and 5 spell it, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from conf.schema import DecoderConfig
from conf.schema.model import RopeScalingConfig
from jobs.launch.compose import compose, to_config
from model.hf.decoder.config import to_ours, to_theirs, write_config
from model.hf.folder import check_exportable
from model.nets.decoder import build_decoder

NAMES = sorted(path.stem for path in (Path(__file__).parents[3] / "conf" / "model" / "decoder").glob("*.yaml"))
_QWEN3 = {
    "model_type": "qwen3", "hidden_act": "silu", "attention_bias": False, "head_dim": 128,
    "max_position_embeddings": 40960,
    "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000, "sliding_window": None, "use_sliding_window": False, "max_window_layers": 28,
    "tie_word_embeddings": True,
    "vocab_size": 151936, "initializer_range": 0.02, "bos_token_id": 151643, "eos_token_id": 151645,
    "torch_dtype": "bfloat16",
}  # fmt: skip
_QWEN2 = {
    "model_type": "qwen2", "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "num_key_value_heads": 2,
    "use_sliding_window": False, "tie_word_embeddings": True, "vocab_size": 151936, "initializer_range": 0.02,
    "use_mrope": False,
}  # fmt: skip
PUBLISHED = {
    "qwen3_0_6b": _QWEN3 | {"hidden_size": 1024, "intermediate_size": 3072},
    "qwen3_1_7b": _QWEN3 | {"hidden_size": 2048, "intermediate_size": 6144},
    "qwen3_4b": _QWEN3 | {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
    "num_attention_heads": 32},
    "qwen2_5_1_5b": _QWEN2 | {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "max_position_embeddings": 131072, "sliding_window": 131072, "max_window_layers": 28,
    },
    "qwen2_5_3b": _QWEN2 | {
        "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
        "max_position_embeddings": 32768, "sliding_window": 32768, "max_window_layers": 36,
    },
    "mistral_7b": {
        "model_type": "mistral", "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": False,
        "vocab_size": 32000,
    },
    "phi_2": {
        "model_type": "phi", "embd_pdrop": 0.0, "hidden_act": "gelu_new", "hidden_size": 2560,
        "initializer_range": 0.02,
        "intermediate_size": 10240, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 32, "partial_rotary_factor": 0.4, "qk_layernorm": False,
        "resid_pdrop": 0.1,
        "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": False, "vocab_size": 51200,
    },
    "llama_3_2_1b": {
        "model_type": "llama", "attention_bias": False, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
        "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": False,
        "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0, "tie_word_embeddings": True, "vocab_size": 128256,
    },
}  # fmt: skip
"""config.json of the base models on the hub, as far as shape and rotations go."""
PARAMETERS = {
    "qwen3_0_6b": 596_049_920, "qwen3_1_7b": 1_720_574_976, "qwen3_4b": 4_022_468_096, "qwen2_5_1_5b": 1_543_714_304,
    "qwen2_5_3b": 3_085_938_688, "mistral_7b": 7_241_732_096, "phi_2": 2_779_683_840, "llama_3_2_1b": 1_235_814_400,
}  # fmt: skip
"""As the hub counts them."""


def configured(name) -> DecoderConfig:
    """Section `model` of conf/model/decoder."""
    return to_config(compose("train", [f"model=decoder/{name}", "objective=causal"])).model


def written(folder, change):
    (folder / "config.json").write_text(json.dumps(change))
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_are_those_published(name, tmp_path):
    assert dataclasses.replace(to_ours(written(tmp_path, PUBLISHED[name])), lora=configured(name).lora) == configured(
        name
    )


@pytest.mark.parametrize("name", NAMES)
def test_as_many_parameters_as_transformers_builds(name):
    from transformers import AutoModelForCausalLM

    config = configured(name)
    with torch.device("meta"):
        theirs = sum(
            parameter.numel()
            for parameter in AutoModelForCausalLM.from_config(to_theirs(config, "bfloat16")).parameters()
        )
    net = build_decoder(config, device="meta", initialise=False)
    ours = sum(parameter.numel() for parameter in net.parameters())
    filling = (
        -config.vocab_size
        % 128
        * sum(
            parameter.numel() // len(parameter)
            for name, parameter in net.named_parameters()
            if name.startswith(("embedding.", "output_layer."))
        )
    )
    assert ours - filling == theirs == PARAMETERS.get(name, theirs)


@pytest.mark.parametrize("kind", ["none", "linear", "llama3", "yarn"])
def test_both_spellings_of_rotations_are_written_and_either_is_enough(kind, qwen, tmp_path):
    scaling = RopeScalingConfig(kind=kind, factor=1.0 if kind == "none" else 4.0)
    if kind in ("llama3", "yarn"):
        scaling.original_max_positions = 64
    if kind == "yarn":
        scaling.beta_fast, scaling.beta_slow = 24.0, 2.0
    config = dataclasses.replace(qwen, rope_theta=123_456.0, rope_scaling=scaling)
    write_config(config, tmp_path, "float32")
    both = json.loads((tmp_path / "config.json").read_text())
    assert to_ours(tmp_path) == config
    old = {key: value for key, value in both.items() if key != "rope_parameters"}
    assert to_ours(written(tmp_path, old)) == config
    if kind != "none":
        old["rope_scaling"]["type"] = old["rope_scaling"].pop("rope_type")
        assert to_ours(written(tmp_path, old)) == config
    new = {key: value for key, value in both.items() if key not in ("rope_theta", "rope_scaling")}
    assert to_ours(written(tmp_path, new)) == config


def test_every_net_of_ours_comes_back_as_it_was(decoder_config, tmp_path):
    """Where transformers has other defaults than ours: a window (mistral), dropout (phi), a width that the heads do not
    fill."""
    for change in (
        {},
        {"window": 0, "dropout": 0.0},
        {"head_width": 32, "num_kv_heads": 1},
        {"norm_eps": 1e-4, "init_std": 0.1},
    ):
        config = dataclasses.replace(decoder_config, **change)
        write_config(config, tmp_path, "float32")
        assert to_ours(tmp_path) == config


def test_special_ids_are_written(decoder_config, tmp_path):
    write_config(decoder_config, tmp_path, "bfloat16", {"bos": None, "eos": 7, "pad": 3})
    found = json.loads((tmp_path / "config.json").read_text())
    assert (found["bos_token_id"], found["eos_token_id"], found["pad_token_id"]) == (None, 7, 3)
    assert found["dtype"] == "bfloat16" and found["architectures"][0].endswith("ForCausalLM")


LLAMA, MISTRAL, PHI = (PUBLISHED[name] for name in ("llama_3_2_1b", "mistral_7b", "phi_2"))


@pytest.mark.parametrize(
    "published, change, message",
    [
        (
            _QWEN3,
            {"model_type": "gpt2"},
            "describes a model of type 'gpt2'; decoders that can be read are qwen3, qwen2, llama, mistral, gemma3_text",
        ),
        (_QWEN3, {"attention_bias": True}, "config.json has attention_bias=True; only False can be read for qwen3"),
        (
            _QWEN3,
            {"use_sliding_window": True, "sliding_window": 4096},
            "has use_sliding_window=True; only False can be read for qwen3",
        ),
        (_QWEN2, {"layer_types": ["sliding_attention"] * 32}, "config.json has layer_types with sliding_attention"),
        (_QWEN2, {"hidden_act": "relu"}, "config.json has hidden_act='relu'; only 'silu' can be read"),
        (
            _QWEN2,
            {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
            "has rope_type='dynamic'; rotations that can be read are default,",
        ),
        (
            _QWEN2,
            {
                "rope_scaling": {
                    "type": "yarn",
                    "factor": 2.0,
                    "original_max_position_embeddings": 32768,
                    "attention_factor": 1.5,
                }
            },
            "config.json has attention_factor=1.5 in its rotations of kind yarn",
        ),
        (LLAMA, {"attention_bias": True}, "config.json has attention_bias=True; only False can be read for llama"),
        (LLAMA, {"mlp_bias": True}, "config.json has mlp_bias=True; only False can be read for llama"),
        (LLAMA, {"hidden_size": "wide"}, "config.json is not a configuration of llama"),
        (
            LLAMA,
            {"partial_rotary_factor": 0.5},
            "config.json has partial_rotary_factor=0.5; only 1 can be read for llama",
        ),
        (
            MISTRAL,
            {"quantization_config": {"bits": 4}},
            "has a quantization_config; only weights that are not quantised",
        ),
        (PHI, {"qk_layernorm": True}, "config.json has qk_layernorm=True; only False can be read for phi"),
    ],
)
def test_what_no_net_of_ours_is(published, change, message, tmp_path):
    base = {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 32, "num_attention_heads": 16}
    with pytest.raises(UserError, match=message):
        to_ours(written(tmp_path, base | published | change))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"window": 64},
            (
                "Hugging Face's qwen3 has no key for model.window=64; set model.window=0, or a model.architecture that"
                " has one \\(mistral"
            ),
        ),
        (
            {"rope_share": 0.5},
            (
                "Hugging Face's qwen3 has no key for model.rope_share=0.5; set model.rope_share=1, or a"
                " model.architecture that has one \\(phi"
            ),
        ),
        ({"architecture": "gpt2"}, "model.architecture=gpt2 has no class in transformers here; it takes qwen3, qwen2"),
    ],
)
def test_what_no_class_of_theirs_is(change, message, qwen):
    with pytest.raises(UserError, match=message):
        check_exportable(dataclasses.replace(qwen, **change))
