"""Statistics of sweeps: several runs, probes with fewer steps, and figures that follow from the results on disk."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from common.files import read_json
from model.evaluation.interface.store import result_file
from model.evaluation.measures.retrieval.result import ProbeScores
from model.evaluation.report.run import write_statistics
from model.evaluation.report.statements import statements
from model.evaluation.statistics.bootstrap import bootstrap_mean
from model.evaluation.statistics.rank import kendall, spearman
from model.evaluation.sweep import find_runs, sweep_runs
from tests.model.evaluation.test_sweep import probed


def stamps(run: Path) -> dict[str, int]:
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in sorted((run / "eval").rglob("*.json"))}


def test_budgets_are_probes_of_their_own_and_measured_once(sweep_config, run_folder):
    sweep_config.sweep.bm25 = False
    probed(sweep_config)
    before = stamps(run_folder)
    sweep_config.sweep.budgets = [5, 20, 0]  # 20 is the full probe
    found = probed(sweep_config)
    after = stamps(run_folder)
    assert {name: after[name] for name in before} == before and len(after) == 2 * 4 + 2 * 4
    assert set(found.budgets) == {0, 5} and [result.step for result in found.budgets[5]] == [0, 10, 20, 30]
    assert probed(sweep_config).results == found.results and stamps(run_folder) == after

    alone = replace(
        sweep_config,
        probe=replace(sweep_config.probe, steps=5, beside=[]),
        sweep=replace(sweep_config.sweep, budgets=[], force=True),
    )
    kept = [
        ProbeScores.read(result_file(run_folder, "retrieval/probe_steps_5", step)).metrics for step in (0, 10, 20, 30)
    ]
    assert [result.metrics for result in probed(alone).results] == kept
    assert set(kept[0]) == {"cat"} and kept[3] != found.results[3].metrics


def test_budgets_at_depth_full_equal_probes_alone(sweep_config, run_folder):
    """Every one begins from the checkpoint, not from what the one before has trained."""
    for step in (0, 10):
        shutil.rmtree(run_folder / "checkpoints" / f"step_{step:07d}")
    sweep_config.sweep.bm25, sweep_config.probe = (
        False,
        replace(sweep_config.probe, depth="full", beside=[], steps=3, lr=1e-2),
    )
    sweep_config.sweep.budgets = [2]
    found = probed(sweep_config)
    sweep_config.sweep.budgets, sweep_config.probe = [], replace(sweep_config.probe, steps=2)
    assert [result.metrics for result in probed(sweep_config).results] == [
        result.metrics for result in found.budgets[2]
    ]


def test_statistics_of_runs_follow_from_their_results(sweep_config, run_folder, tmp_path):
    other = Path(shutil.copytree(run_folder, run_folder.with_name("seed_1"), symlinks=True))
    shutil.rmtree(other / "checkpoints" / "step_0000010")
    sweep_config.sweep.runs = [str(run_folder.parent / "seed_*"), str(run_folder)]
    sweep_config.sweep.budgets, sweep_config.sweep.bm25, sweep_config.sweep.bootstrap = [2], False, 300
    found = sweep_runs(sweep_config)
    assert [one.run.name for one in found] == ["seed_0", "seed_1"] and [one.best.step for one in found] == [20, 20]
    summary, other = (one.summary("retrieval") for one in found)
    retrieval = found[0].measures["retrieval"]

    run, results = summary, retrieval.results
    losses, scores = [5.1, 5.0, 4.9], [result.mean("test", "ndcg@10") for result in results[1:]]
    assert run.loss == "held-out" and run.correlation.rho == spearman([(np.array(losses), np.array(scores))])
    assert (run.lag.loss_step, run.lag.retrieval_step, run.lag.steps, run.lag.tokens) == (30, 20, -10, -10_000)
    assert (
        run.means[20] == bootstrap_mean(results[2].per_query("test"), 300)
        and run.means[20].low <= scores[1] <= run.means[20].high
    )
    dev = [[result.mean("dev", "ndcg@10") for result in of[1:]] for of in (results, retrieval.budgets[2])]
    assert (
        run.budgets[0].tau == kendall(*map(np.array, dev))
        and run.budgets[0].chosen == 20
        and run.budgets[0].regret == 0
    )
    assert retrieval.across(found).checkpoints == 5 and other != summary

    told = {one.name: one for one in statements(found)}
    assert (
        "same checkpoint in 0 and after it in 0 of 2 runs"
        in told["Lag from the loss minimum to the retrieval maximum"].sentence
    )
    assert told["A probe of 2 steps"].sentence.endswith("the best checkpoint in 2 of 2 runs.")
    write_statistics(tmp_path / "statistics.json", found)
    assert read_json(tmp_path / "statistics.json")["runs"][0]["retrieval"]["lag"]["steps"] == -10


def test_runs_that_are_not_there_are_named(sweep_config, run_folder, tmp_path):
    sweep_config.sweep.runs = [str(tmp_path / "none_*")]
    with pytest.raises(UserError, match=r"sweep.runs: no run with checkpoints matches .*none_\*"):
        find_runs(sweep_config.sweep)
    (run_folder.parent / "comparison").mkdir()
    sweep_config.sweep.runs = [str(run_folder.parent / "*")]
    assert find_runs(sweep_config.sweep) == [run_folder], "a folder without checkpoints is no run"
    (tmp_path / "empty").mkdir()
    sweep_config.sweep.runs = [str(run_folder), str(tmp_path / "empty")]
    with pytest.raises(UserError, match=r"empty is no run folder"):
        sweep_runs(sweep_config)
    assert not (run_folder / "eval").exists(), "nothing is probed before all runs are known to be good"
