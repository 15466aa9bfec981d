"""A config.json is read as transformers' own classes read it, whatever it leaves out and however old its spelling."""

import json
import subprocess
import sys

import pytest
import transformers

from common.errors import UserError
from conf.families import FAMILIES
from conf.schema import EncoderConfig
from model.hf.decoder.config import to_theirs
from model.hf.folder import read_model
from model.hf.modernbert import config as modernbert
from model.hf.their_config import filled

ENCODER = EncoderConfig(
    vocab_size=500, num_layers=5, hidden_size=64, num_heads=4, ffn_size=96, global_every=2, mlp_dropout=0.1
)
OLD = {
    "rope_theta": 123.0, "global_rope_theta": 456.0, "local_rope_theta": 789.0, "rope_local_base_freq": 321.0,
    "partial_rotary_factor": 1.0,
}  # fmt: skip
SCALED = [
    {"type": "linear", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 5e5},
]


def spellings(family: str, decoders) -> list[dict]:
    """Of one net: nothing but its family, everything, each key left out, each null; rotations as old versions had
    them."""
    whole = (
        modernbert.to_theirs(ENCODER, {}, "float32")
        if family == "modernbert"
        else to_theirs(decoders[family], "float32")
    )
    whole = {key: value for key, value in whole.to_dict().items() if key != "transformers_version"}
    bare = {key: value for key, value in whole.items() if key not in ("rope_parameters", "layer_types")}
    least = {"model_type": FAMILIES[family].model_type, **FAMILIES[family].fixed}
    found = [least, least | OLD, whole, bare, bare | OLD]
    found += [{key: value for key, value in whole.items() if key != left} for left in whole if left != "model_type"]
    nullable = [
        "sliding_window",
        "layer_types",
        "rope_parameters",
        *(["num_key_value_heads"] if family not in ("mistral", "gemma3_text") else []),
    ]
    found += [whole | {key: None} for key in nullable if key in whole]
    if kinds := FAMILIES[family].kinds:
        found.append(bare | {kinds.every: 4})
    if family == "modernbert":
        return found
    scalings = [scaled for scaled in SCALED if not kinds or "rope_type" in scaled]  # 5 heeds no `type` by kind of layer
    return found + [bare | {"rope_theta": 77.0, "rope_scaling": scaled} for scaled in scalings]


@pytest.mark.parametrize("family", FAMILIES)
def test_as_transformers_reads_it(family, all_decoders, tmp_path):
    keys, kinds = FAMILIES[family].keys, FAMILIES[family].kinds
    for written in spellings(family, all_decoders):
        try:
            theirs = getattr(transformers, FAMILIES[family].config_class)(**json.loads(json.dumps(written)))
        except Exception:
            with pytest.raises(UserError, match="is not a configuration of"):
                filled(json.loads(json.dumps(written)), tmp_path / "config.json")
            continue
        ours = filled(json.loads(json.dumps(written)), tmp_path / "config.json")
        for key, value in vars(ours).items():
            if not hasattr(theirs, key) or key in ("rope_scaling", *OLD, *([kinds.every] if kinds else [])):
                continue
            if key == "rope_parameters" and kinds:
                there = {kind: {name: theirs.rope_parameters[kind][name] for name in value[kind]} for kind in value}
                assert value == there, written
            elif (key == "sliding_window" and "window" not in keys) or (key == "layer_types" and not kinds):
                continue  # asked of no other family
            elif key == "head_dim":
                assert value == (theirs.head_dim or theirs.hidden_size // theirs.num_attention_heads), written
            else:
                assert value == getattr(theirs, key), (key, written)


def test_neither_torch_nor_transformers_is_loaded_for_it(qwen, tmp_path):
    from model.hf.decoder.config import write_config

    write_config(qwen, tmp_path, "float32")
    code = (
        f"import sys; from model.hf.folder import read_model; print(read_model({str(tmp_path)!r}) is not None, "
        "[name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True []"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_hidden_layers": "12"}, r"is not a configuration of qwen3 \(num_hidden_layers='12'\)"),
        ({"num_hidden_layers": True}, r"num_hidden_layers=True"),
        ({"vocab_size": 0}, r"vocab_size=0"),
        ({"head_dim": None}, r"head_dim=None"),
        ({"rope_scaling": "yarn"}, r"rope_scaling='yarn'"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}, r"has rotations of its own for full_attention"),
        ({"num_hidden_layers": 10**30}, r"num_hidden_layers=10{30}"),
        ({"rms_norm_eps": float("nan")}, r"rms_norm_eps=nan"),
        ({"initializer_range": -0.02}, r"initializer_range=-0.02"),
        ({"rope_theta": None}, r"is not a configuration of qwen3 \(rope_theta=None\)"),
        ({"rope_parameters": {"rope_theta": None}}, r"rope_theta of its rotations=None"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": "4"}}, r"factor of its rotations='4'"),
        ({"rope_scaling": {"rope_type": None, "factor": 4.0}}, r"rope_type=None"),
        ({"layer_types": [None] * 32}, r"layer_types=\[None"),
    ],
)
def test_a_value_that_is_none_is_named(change, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3"} | change))
    with pytest.raises(UserError, match=message):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"global_rope_theta": None}, r"is not a configuration of modernbert \(global_rope_theta=None\)"),
        (
            {"local_rope_theta": None, "global_rope_theta": None},
            r"\(local_rope_theta=None\)|\(global_rope_theta=None\)",
        ),
        ({"local_rope_theta": "10000"}, r"local_rope_theta='10000'"),
        ({"local_rope_theta": -1.0}, r"local_rope_theta=-1.0"),
        ({"rope_parameters": {"sliding_attention": {"rope_theta": None}}}, r"rope_theta of its rotations=None"),
        ({"rope_parameters": {"sliding_attention": "default"}}, r"rope_parameters.sliding_attention='default'"),
        ({"attention_out_dropout": None}, r"attention_out_dropout=None"),
        ({"mlp_dropout": 1.5}, r"mlp_dropout=1.5"),
    ],
)
def test_a_value_of_a_modernbert_that_is_none_is_named(change, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "modernbert"} | change))
    with pytest.raises(UserError, match=message):
        read_model(tmp_path)


@pytest.mark.parametrize("own", [False, True], ids=["old keys", "a base beside it"])
def test_a_local_base_of_null_is_that_of_the_global_layers_and_is_said_once(own, tmp_path, capsys):
    written = {"model_type": "modernbert", "local_rope_theta": None, "global_rope_theta": 80_000.0}
    written |= {"rope_parameters": {"sliding_attention": {"rope_theta": 5000.0}}} if own else {}
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert [read_model(tmp_path).rope_theta_local for _ in range(2)] == [5000.0 if own else 80_000.0] * 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(
        "config.json has local_rope_theta=null: local layers get the base of the global ones, 80000, as in"
    ) == (not own)


WRONG = [
    None, "x", "", True, [], [None], [["x"]], {}, {"full_attention": "x"}, {"full_attention": {"rope_theta": None}},
    {"rope_type": []},
    {"full_attention": {"rope_type": None}}, {"rope_theta": "x"}, {"rope_type": "yarn", "factor": []},
    {"type": "linear", "factor": "2"},
    {"rope_type": "yarn", "factor": 2.0, "attention_factor": "x"}, {"rope_type": "llama3", "factor": 8.0,
    "low_freq_factor": "x"},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": "x"}, -1, 0, 0.5, float("nan"),
    float("inf"), 10**30,
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_any_value_of_any_key_is_read_or_refused_in_one_sentence(family, tmp_path):
    others = ("original_max_position_embeddings", "quantization_config", "attention_out_dropout")
    least = {"model_type": FAMILIES[family].model_type, **FAMILIES[family].fixed}
    refused = 0
    for key in (*FAMILIES[family].defaults, *others):
        for value in WRONG:
            (tmp_path / "config.json").write_text(json.dumps({**least, key: value}))
            try:
                read_model(tmp_path)
            except UserError as error:
                refused += 1
                assert "\n" not in str(error) and "config.json" in str(error)
    assert refused > 12 * len(FAMILIES[family].defaults)


@pytest.mark.parametrize("written", ["[]", "3", "null", '"qwen3"'])
def test_a_config_that_is_no_object_is_named(written, tmp_path):
    (tmp_path / "config.json").write_text(written)
    with pytest.raises(UserError, match="config.json holds no JSON object"):
        read_model(tmp_path)
