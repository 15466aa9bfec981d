"""jobs.merge: averages of the checkpoints of a run, chosen by what the sweep measures."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common import manifest as manifests
from common.errors import UserError
from conf.schema import Config, DecoderConfig, ParallelConfig
from jobs.merge import run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def merge_config(sweep_config, run_folder, tmp_path) -> Config:
    """A merge of ``run_folder``, whose trained checkpoints are 10 (collapsed), 20 (planted), 30 (random)."""
    sweep_config.merge.run, sweep_config.merge.output = str(run_folder), str(tmp_path / "merged")
    sweep_config.sweep.bootstrap = 50
    return sweep_config


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def checkpoints(run_folder: Path, *steps: int) -> list[Path]:
    return [run_folder / "checkpoints" / f"step_{step:07d}" / "hf" for step in steps]


def is_mean(output: Path, folders: list[Path]) -> bool:
    found, parts = tensors(output), [tensors(folder) for folder in folders]
    return all(torch.allclose(found[name], sum(part[name] for part in parts) / len(parts), atol=1e-6) for name in found)


def test_the_window_that_retrieves_best_is_kept(merge_config, run_folder, tmp_path, capsys):
    output = run(merge_config)
    printed = capsys.readouterr()
    manifest = manifests.read(output)
    averages = manifest["choice"]["averages"]
    assert (
        set(averages) == {"2", "3"}
        and manifest["choice"]["metric"] == "dev/ndcg@10"
        and not manifest["choice"]["lower"]
    )
    assert averages[str(manifest["window"])]["value"] == max(row["value"] for row in averages.values())
    assert is_mean(output, checkpoints(run_folder, 10, 20, 30)[-manifest["window"] :])
    single = json.loads((run_folder / "eval" / "retrieval" / "step_0000020.json").read_text())["metrics"]["cat"]["dev"][
        "ndcg@10"
    ]
    assert manifest["choice"]["single"] == manifest["choice"]["single"] | {"name": "step 20", "value": single}
    assert all(row["interval"]["low"] <= row["value"] <= row["interval"]["high"] for row in averages.values())
    difference = manifest["choice"]["difference"]
    assert difference["mean"] == pytest.approx(averages[str(manifest["window"])]["value"] - single)
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert "last 2" in printed.out and "last 3" in printed.out and "best single: step 20" in printed.out
    assert f"Kept the average of the last {manifest['window']}" in printed.out
    assert [parent["step"] for parent in manifest["parents"]] == [10, 20, 30][-manifest["window"] :]
    assert not (tmp_path / "merged.windows").exists()

    before = (output / "manifest.json").stat().st_mtime_ns
    run(merge_config)
    assert (
        output / "manifest.json"
    ).stat().st_mtime_ns == before and "holds this merge already" in capsys.readouterr().err
    merge_config.merge.window, merge_config.merge.method = [2], "exponential"
    run(merge_config)
    assert manifests.read(output)["asked"]["decay"] == 0.5
    weights = [parent["weight"] for parent in manifests.read(output)["parents"]]
    assert weights == pytest.approx([1 / 3, 2 / 3]) and not is_mean(output, checkpoints(run_folder, 20, 30))


def test_others_are_kept_where_that_is_asked_and_folders_can_be_named(merge_config, run_folder, tmp_path):
    one, two, three = checkpoints(run_folder, 30, 10, 20)
    merge_config.merge.checkpoints = [str(one), str(two.parent), str(three)]
    merge_config.merge.window, merge_config.merge.keep = [2, 3], True
    output = run(merge_config)
    manifest = manifests.read(output)
    left = tmp_path / "merged.windows" / "checkpoints"
    assert [folder.name for folder in left.iterdir()] == [f"step_000000{5 - manifest['window']}"]
    assert is_mean(next(left.iterdir()) / "hf", [one, two, three][-(5 - manifest["window"]) :])
    assert is_mean(output, [one, two, three][-manifest["window"] :])
    assert manifest["choice"]["single"]["name"] == str(three)

    merge_config.merge.method = "exponential"  # what was left of the former choice is not taken for a part of this one
    made = [manifests.read(folder)["parents"] for folder in (run(merge_config), next(left.iterdir()) / "hf")]
    weights = {len(parents): [parent["weight"] for parent in parents] for parents in made}
    assert weights == {2: pytest.approx([1 / 3, 2 / 3]), 3: pytest.approx([1 / 7, 2 / 7, 4 / 7])}

    merge_config.merge.method, merge_config.merge.window, merge_config.merge.output = (
        "uniform",
        [],
        str(tmp_path / "all"),
    )
    assert is_mean(run(merge_config), [one, two, three])
    assert "choice" not in manifests.read(tmp_path / "all") and not (tmp_path / "all.windows").exists()


@pytest.fixture
def decoder_run(tmp_path, tokenizer_folder) -> Config:
    """A merge of a run of decoders by perplexity: checkpoints 10, 20, 30 lie around one net, ever nearer, 20 on the
    other side of it."""
    from model.hf.folder import export_net
    from model.megatron.startup import start
    from model.nets.decoder import build_decoder
    from model.training.checkpoints.checkpoints import PROBE
    from model.training.checkpoints.write import write_checkpoint

    vocabulary = json.loads((tokenizer_folder / "tokenizer.json").read_text())["model"]["vocab"]
    shape = DecoderConfig(
        vocab_size=len(vocabulary),
        num_layers=1,
        hidden_size=32,
        num_heads=2,
        num_kv_heads=1,
        head_width=16,
        ffn_size=32,
    )
    start(ParallelConfig(threads=1), 0)
    net, noise = build_decoder(shape), build_decoder(shape)
    centre = {name: value.detach().clone() for name, value in net.named_parameters()}
    for step, distance in ((10, 4.0), (20, -2.0), (30, 2.0)):
        with torch.no_grad():
            for (name, value), other in zip(net.named_parameters(), noise.parameters(), strict=True):
                value.copy_(centre[name] + distance * (other - other.mean()))
        write_checkpoint(
            tmp_path / "run",
            step,
            PROBE,
            lambda folder: export_net(net, shape, folder / "hf", tokenizer_folder),
            tokens=step,
        )
    rng = np.random.default_rng(0)
    texts = (" ".join(rng.choice(sorted(vocabulary), 40)) for _ in range(20))
    (tmp_path / "law.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    config = Config(name="decoders")
    config.merge.run, config.merge.output = str(tmp_path / "run"), str(tmp_path / "merged")
    config.evaluation.domain, config.sweep.metric = {"law": str(tmp_path / "law.jsonl")}, "perplexity/law"
    config.data.retrieval, config.sweep.bootstrap, config.parallel.threads = str(tmp_path / "none"), 50, 1
    return config


def test_decoders_by_perplexity(decoder_run, tmp_path, capsys):
    """The mean of the two last checkpoints, which lie on both sides of the centre, is the centre: less is better."""
    from transformers import AutoModelForCausalLM

    output = run(decoder_run)
    manifest, printed = manifests.read(output), capsys.readouterr().out
    averages, single = manifest["choice"]["averages"], manifest["choice"]["single"]
    assert manifest["window"] == 2 and manifest["choice"]["lower"] and set(averages) == {"2", "3"}
    assert (
        averages["2"]["value"] < min(averages["3"]["value"], single["value"])
        and averages["2"]["interval"]["low"] < averages["2"]["value"]
    )
    assert manifest["choice"]["difference"]["mean"] == pytest.approx(averages["2"]["value"] / single["value"] - 1)
    assert "perplexity/law (less is better)" in printed and ", better than the best single checkpoint" in printed
    assert is_mean(output, checkpoints(tmp_path / "run", 20, 30))
    model, loading = AutoModelForCausalLM.from_pretrained(output, output_loading_info=True)
    assert (
        not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        and model.config.tie_word_embeddings
    )
    decoder_run.evaluation.domain, decoder_run.merge.window = {}, [2, 3]
    with pytest.raises(
        UserError, match="sweep.metric=perplexity/law is unknown; evaluation.domain and evaluation.general are empty"
    ):
        run(decoder_run)


def test_the_average_is_a_model_for_those_who_use_it(merge_config, run_folder):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    merge_config.merge.window = [3]
    output = run(merge_config)
    model, loading = AutoModelForMaskedLM.from_pretrained(output, output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model(**AutoTokenizer.from_pretrained(output)("q1 q2", return_tensors="pt")).logits.isfinite().all()


def test_dry_run_shows_and_writes_nothing(merge_config, run_folder, tmp_path, capsys):
    merge_config.dry_run, merge_config.merge.method, merge_config.merge.decay = True, "exponential", 0.25
    output = run(merge_config)
    told = " ".join(capsys.readouterr().err.split())
    assert (
        "would average step 20 x 0.2, step 30 x 0.8" in told
        and "would average step 10 x 0.0476, step 20 x 0.19, step 30 x 0.762" in told
    )
    assert "would measure each by dev/ndcg@10" in told and not output.exists() and not (run_folder / "eval").exists()


def test_bad_input_is_named(merge_config, run_folder, tmp_path):
    def refused(match: str, **values) -> None:
        before = {name: getattr(merge_config.merge, name) for name in values}
        for name, value in values.items():
            setattr(merge_config.merge, name, value)
        with pytest.raises(UserError, match=match):
            run(merge_config)
        for name, value in before.items():
            setattr(merge_config.merge, name, value)

    refused(r"merge.window=4 is no number of models to average; give numbers from 2 to 3", window=[2, 4])
    refused(r"merge.window=1 is no number", window=[1])
    refused(r"merge.decay=0.0 is no ratio of weights", method="exponential", decay=0.0)
    refused(r"the run folder nowhere does not exist", run="nowhere")
    refused(r"merge.checkpoints names 1 folder", checkpoints=[str(checkpoints(run_folder, 10)[0])])
    refused(r"step_0000040 has no hf/ half", checkpoints=[str(run_folder / "checkpoints" / "step_0000040")] * 2)
    refused(r"nothing is neither a checkpoint nor a model", checkpoints=[str(tmp_path / "nothing")] * 2)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("do not lose")
    refused(r"precious exists and is not a merge of this job", output=str(tmp_path / "precious"))
    merge_config.sweep.metric = "dev/ndcg"
    refused(r"sweep.metric=dev/ndcg is unknown")
    merge_config.sweep.metric = "dev/ndcg@10"
    file = checkpoints(run_folder, 20)[0] / "model.safetensors"
    broken = tensors(file.parent)
    broken["head.dense.weight"][0, 0] = float("nan")
    save_file(broken, file, {"format": "pt"})
    refused(r"step_0000020/hf/model.safetensors is missing or not what was written; leave step 20 out", window=[3])
    manifest = manifests.read(file.parents[1])
    manifests.write(file.parents[1], {**manifest, "files": manifests.digests(file.parents[1])})
    refused(r"hf has values in head.dense.weight that are not finite", window=[3])
    assert not (tmp_path / "merged").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
import yaml
from conf.schema import Config, DecoderConfig, ParallelConfig
from conf.schema.kinds import typed
from jobs.merge import run
from model.surgery import selection
config, left = typed(Config, yaml.safe_load(Path(sys.argv[1]).read_text())), [int(sys.argv[2])]
def stopping(function):
    def stop(*arguments, **values):
        found = function(*arguments, **values)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return stop
for name in ("_make", "_measure"):
    setattr(selection, name, stopping(getattr(selection, name)))
run(config)
"""


@pytest.mark.long
def test_killed_in_the_middle_it_goes_on_to_the_same_choice(merge_config, run_folder, tmp_path):
    """After the second average was made: the first is measured by then, the second is not."""
    import yaml
    from omegaconf import OmegaConf

    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(OmegaConf.to_container(OmegaConf.structured(merge_config), resolve=True))
    )
    command = [sys.executable, "-c", KILLED, str(tmp_path / "config.yaml"), "4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, timeout=120, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (tmp_path / "merged").exists() and (tmp_path / "merged.windows" / "checkpoints").is_dir()
    undisturbed = Path(merge_config.merge.output).with_name("undisturbed")
    went_on = run(merge_config)
    merge_config.merge.output = str(undisturbed)
    run(merge_config)
    assert manifests.digests(went_on) == manifests.digests(undisturbed)
    assert manifests.read(went_on)["choice"] == manifests.read(undisturbed)["choice"]
    assert not (tmp_path / "merged.windows").exists()
