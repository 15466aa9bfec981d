"""Records of families hold together, and nothing else in the code tells families apart."""

import ast

import pytest

from conf.families import DECODERS, FAMILIES, MODEL_TYPES, family_in
from conf.families.record import FC1, FC2, NEUTRAL, OUT, QKV
from conf.schema import DecoderConfig, EncoderConfig
from tests.sources import ROOT, nodes_of

FILES = [
    path
    for package in ("common", "conf", "data_prep", "jobs", "model", "slurm")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "families" not in path.parts
]
NAMES = {*FAMILIES, *MODEL_TYPES}


def named(node: ast.AST) -> set[str]:
    """Names of families among the constants below ``node``."""
    return {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and leaf.value in NAMES}


def tells_apart(node: ast.AST) -> bool:
    """Whether ``node`` compares with the name of a family, or looks something up by it."""
    if isinstance(node, ast.Compare):
        return bool(named(node))
    if isinstance(node, ast.Dict):
        return any(named(key) for key in node.keys if isinstance(key, ast.Constant))
    return isinstance(node, ast.Tuple | ast.List | ast.Set) and len(named(node)) > 1


def test_no_code_tells_families_apart_by_their_names():
    for path in FILES:
        assert not [ast.unparse(node)[:80] for node in nodes_of(path) if tells_apart(node)], path


@pytest.mark.parametrize(
    "code", ["family == 'phi'", "name in ('phi', 'llama')", "{'phi': 1}", "FAMILIES = ('phi', 'qwen2')"]
)
def test_such_a_search_finds_them(code):
    assert any(tells_apart(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_a_record_names_keys_that_exist_on_both_sides(family):
    schema = DecoderConfig if family.name in DECODERS else EncoderConfig
    assert family.keys.keys() <= vars(schema()).keys()
    assert {*family.keys.values(), *family.fixed} <= family.defaults.keys()
    assert {QKV, OUT, FC1, FC2} <= family.layer.keys()
    assert family_in({"model_type": family.model_type, **family.fixed}) is family
    if family.kinds:
        assert {family.kinds.every, family.kinds.theta_global, family.kinds.theta_local} <= family.defaults.keys()


@pytest.mark.parametrize("family", DECODERS.values(), ids=lambda family: family.name)
def test_norms_of_a_record_are_those_of_its_traits(family):
    norms = {name for name in family.layer if name.endswith("layernorm")}
    expected = {"self_attention.q_layernorm", "self_attention.k_layernorm"} if family.qk_norm else set()
    expected |= {"post_self_attn_layernorm", "post_mlp_layernorm"} if family.post_norm else set()
    expected |= {"input_layernorm"} if family.pre_norm else set()
    expected |= {"pre_mlp_layernorm"} if family.pre_norm and not family.side_by_side else set()
    assert norms == expected


def test_neutral_values_are_the_schema_s_own():
    config = DecoderConfig()
    assert {key: getattr(config, key) for key in NEUTRAL} == NEUTRAL


def test_a_type_of_no_family():
    assert family_in({"model_type": "gpt2"}) is family_in({}) is None
