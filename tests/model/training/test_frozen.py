"""What a phase freezes is the same on one rank and on a pipeline of two, whatever names it."""

import json

import pytest

from conf.schema import ParallelConfig
from model.megatron import startup
from tests.model.training import frozen_ranks as script
from tests.processes import run_ranks


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory) -> dict[str, list[list[str]]]:
    """Net -> for each of `FROZEN` the parameters that move in a step of two real ranks."""
    folder = tmp_path_factory.mktemp("frozen")
    done = run_ranks([script.__file__, folder])
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "moved.json").read_text())


@pytest.mark.parametrize("name", script.NETS)
def test_the_same_parameters_move(name, two_stages):
    parallel = ParallelConfig(threads=1)
    startup.start(parallel, seed=3)
    for frozen, found in zip(script.FROZEN, two_stages[name], strict=True):
        expected = sorted(script.moved(name, parallel, frozen))
        if "nothing on a stage" in found[0]:  # of pairs alone, where those of half of the layers are frozen
            assert (
                name == "pairs"
                and len({int(key.split(".")[2]) // 2 for key in expected if key.startswith("decoder.")}) <= 1
            ), frozen
        else:
            assert found == expected, frozen


def test_ranges_name_layers_of_the_whole_net(two_stages):
    """The last two of four layers lie on the second stage."""
    still = two_stages["decoder"][script.FROZEN.index(["layers.2-3"])]
    assert {name.split(".")[2] for name in still if ".layers." in name} == {"0", "1"}
    assert any("names no part" in told for told in two_stages["decoder"][script.FROZEN.index(["layers.4"])])
    pairs = two_stages["pairs"][script.FROZEN.index(["layers.1-2"])]
    assert {name.split(".")[2] for name in pairs} == {"0", "3"} and all(".lora_" in name for name in pairs)


def test_what_names_the_copy_of_a_tied_table(two_stages):
    """It is frozen with the table; naming it as the head is refused, as on one rank, rather than taken for
    something."""
    everything, table = (
        set(two_stages["decoder"][script.FROZEN.index(one)]) for one in ([], ["embedding.word_embeddings.weight"])
    )
    assert everything - table == {"embedding.word_embeddings.weight"}
    assert [told.split(":")[0] for told in two_stages["decoder"][script.FROZEN.index(["head"])]] == ["refused"]
