"""What stands under a picture is true of the checkpoints in it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from jobs.sweep import run
from model.evaluation.measures.retrieval import captions
from model.evaluation.measures.retrieval.result import Shown
from tests.model.evaluation.test_sweep import probed

GOOD = "not that the model is good"


def gathered(run: Path, folder: Path, **made: object) -> None:
    """Manifests as `jobs.quickstart` (what it ``made``), `jobs.prepare` and `jobs.train` leave them behind."""
    for place, manifest in (
        (folder / "corpus", {"kind": "quickstart", **made}),
        (folder / "tokens", {"kind": "tokens", "inputs": {str(folder / "corpus" / "train.jsonl"): "-"}}),
        (run, {"kind": "run", "inputs": {"tokens": {"path": str(folder / "tokens"), "digests": {}}}}),
    ):
        place.mkdir(parents=True, exist_ok=True)
        (place / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"environment": {}}, True),
        ({"inputs": {"my/text.jsonl": "-"}}, False),
        ({"kind": "split", "environment": {}}, False),
        (None, False),
    ],
    ids=["docstrings", "a folder", "another job", "gone"],
)
def test_only_the_quickstart_says_that_its_model_is_not_good(sweep_config, run_folder, tmp_path, made, wanted):
    sweep_config.sweep.bm25 = False
    if made is not None:
        gathered(run_folder, tmp_path / "data", **made)
    found = probed(sweep_config)
    assert captions.is_quickstart(run_folder) is wanted
    assert (GOOD in captions.of_run(found)) is wanted and (GOOD in captions.of_runs([Shown("", 0, [found])])) is wanted


def test_it_tells_a_best_checkpoint_that_is_better_from_one_that_is_not(sweep_config, run_folder):
    found = probed(sweep_config)
    told = captions.of_run(found)
    assert (
        "step 20; its nDCG@10 lies above the dashed line" in told
        and "Band: 95%" in told
        and "above BM25 on full text" in told
    )
    shutil.rmtree(run_folder / "checkpoints" / "step_0000020")
    told = captions.of_run(probed(sweep_config))
    assert "lies above" not in told.partition(".")[0]
    sweep_config.sweep.bm25, sweep_config.sweep.bootstrap = False, 0
    told = captions.of_run(probed(sweep_config))
    assert (
        "BM25" not in told
        and "Band" not in told
        and told.startswith("The star is the best checkpoint by dev/ndcg@10, step ")
    )
    shutil.rmtree(run_folder / "checkpoints" / "step_0000000")
    (run_folder / "eval" / "retrieval" / "step_0000000.json").unlink()
    assert "step 0" not in captions.of_run(probed(sweep_config)).replace("step 0000", "")


def test_the_base_model_is_not_called_untrained(sweep_config, run_folder, capsys):
    frozen = yaml.safe_load((run_folder / "config.yaml").read_text())
    (run_folder / "config.yaml").write_text(
        yaml.safe_dump(frozen | {"train": frozen["train"] | {"init_from": "models/base"}})
    )
    run(sweep_config)
    page = (run_folder / "report.html").read_text()
    assert "untrained" not in page + capsys.readouterr().out
    assert "step 0, best readout" in page and "against the best step 0 readout" in page and "minus step 0" in page


def test_a_band_is_told_of_where_there_is_one(sweep_config, run_folder):
    sweep_config.sweep.bm25 = False
    one = probed(sweep_config)
    assert captions.of_runs([Shown("", 0, [one])]) == "Every run has a colour."
    copy = shutil.copytree(run_folder, run_folder.with_name("seed_1"), symlinks=True)
    sweep_config.sweep.run = str(copy)
    assert "the band reaches from the lowest to the highest" in captions.of_runs(
        [Shown("", 0, [one, probed(sweep_config)])]
    )
