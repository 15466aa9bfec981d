"""Benchmarks measure the nets of conf/model, read without Hydra as Hydra reads them."""

import pytest

from benchmarks.gpu import decoder_step, encoder_step
from benchmarks.nets import FOLDER, net
from jobs.launch.compose import compose, to_config

NAMES = sorted(
    str(path.relative_to(FOLDER).with_suffix(""))
    for path in FOLDER.glob("*/*.yaml")
    if "rope_scaling" not in path.read_text()
)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "decoder/phi_2"])
def test_a_net_is_the_one_that_jobs_compose(name):
    assert net(name) == to_config(compose("train", [f"model={name}"])).model


def test_at_full_size_the_gpu_benchmarks_find_their_nets():
    assert {case.net.hidden_size for case in encoder_step.cases(small=False)} == {768, 1024}
    assert {case.net.hidden_size for case in decoder_step.cases(small=False)} == {2048}
