"""In which precision checkpoints are measured."""

import pytest
import yaml

from conf.schema import ParallelConfig
from model.evaluation.pending import layout


@pytest.mark.parametrize(
    ("given", "frozen", "on_gpu"),
    [
        ("auto", "bf16", "bf16"),
        ("auto", "fp32", "fp32"),
        ("auto", None, "bf16"),
        ("fp32", "bf16", "fp32"),
        ("bf16", "fp32", "bf16"),
    ],
)
def test_checkpoints_are_measured_as_they_were_trained_and_in_fp32_on_a_cpu(given, frozen, on_gpu, tmp_path):
    if frozen:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"parallel": {"precision": frozen}}))
    parallel = ParallelConfig(tensor=2, threads=3, precision=given)
    assert layout(parallel, tmp_path, bf16=True) == ParallelConfig(threads=3, precision=on_gpu)
    assert layout(parallel, tmp_path, bf16=False) == ParallelConfig(threads=3, precision="fp32")
