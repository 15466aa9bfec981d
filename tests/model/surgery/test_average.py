"""Averages against torch's own averaged models; what must be refused; what is left when a merge is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from common import manifest as manifests
from common.errors import UserError
from model.hf.tensors import TensorReader
from model.surgery.average import combine, exponential, uniform
from model.surgery.inputs import model_in

ROOT = Path(__file__).parents[3]


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    with TensorReader(folder) as reader:
        return {name: reader.where[name][1].get_tensor(name).clone() for name in reader.names()}


class Plain(torch.nn.Module):
    """A module whose parameters are the given tensors."""

    def __init__(self, tensors: dict[str, torch.Tensor]):
        super().__init__()
        self.values = torch.nn.ParameterList([tensors[name].clone() for name in sorted(tensors)])


def swa(models: list[dict[str, torch.Tensor]], decays: list[float] | None = None) -> dict[str, torch.Tensor]:
    """torch's average along ``models``: the mean, or the moving one with the decay of each update."""
    peer = AveragedModel(Plain(models[0]), multi_avg_fn=None)
    peer.update_parameters(Plain(models[0]))
    for tensors, decay in zip(models[1:], decays or [None] * len(models), strict=False):
        peer.multi_avg_fn = None if decay is None else get_ema_multi_avg_fn(decay)
        peer.update_parameters(Plain(tensors))
    return dict(zip(sorted(models[0]), peer.module.values, strict=True))


@pytest.mark.parametrize("shard_bytes", [10**9, 1000])
@pytest.mark.parametrize("count", [2, 5])
def test_uniform_is_torchs_average(make_model, draw, tmp_path, count, shard_bytes):
    drawn = [draw(seed) for seed in range(count)]
    models = [model_in(make_model(f"m{place}", tensors, shard_bytes)) for place, tensors in enumerate(drawn)]
    combine(models, uniform(count), tmp_path / "out")
    found, wanted = tensors_of(tmp_path / "out"), swa(drawn)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name].detach(), rtol=1e-6, atol=1e-7)
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == len(list((tmp_path / "m0").glob("*.safetensors")))


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_exponential_is_torchs_moving_average_with_the_start_corrected(make_model, draw, tmp_path, decay):
    drawn = [draw(seed) for seed in range(4)]
    models = [model_in(make_model(f"m{place}", tensors)) for place, tensors in enumerate(drawn)]
    combine(models, exponential(4, decay), tmp_path / "out")
    # after t models the newest weighs (1 - decay) / (1 - decay^t) of the corrected average
    wanted = swa(drawn, [1 - (1 - decay) / (1 - decay**t) for t in (2, 3, 4)])
    for name, value in tensors_of(tmp_path / "out").items():
        torch.testing.assert_close(value, wanted[name].detach(), rtol=1e-5, atol=1e-6)


def test_weights_sum_to_one_and_fall_by_the_decay():
    weights = exponential(5, 0.25)
    assert sum(weights) == pytest.approx(1) and sum(uniform(7)) == pytest.approx(1)
    assert [one / after for one, after in zip(weights, weights[1:], strict=False)] == pytest.approx([0.25] * 4)
    assert exponential(3, 1.0) == pytest.approx(uniform(3))


def test_bf16_is_summed_in_fp32(make_model, draw, tmp_path):
    drawn = [draw(seed, torch.bfloat16) for seed in range(7)]
    models = [model_in(make_model(f"m{place}", tensors)) for place, tensors in enumerate(drawn)]
    combine(models, uniform(7), tmp_path / "out")
    for name, value in tensors_of(tmp_path / "out").items():
        exact = torch.stack([tensors[name].double() for tensors in drawn]).mean(0)
        assert value.dtype == torch.bfloat16
        torch.testing.assert_close(
            value.double(), exact, rtol=1.01 * 2**-8, atol=1e-6
        )  # rounded once: half a unit in the last place


def test_any_weights_make_a_linear_merge(make_model, draw, tmp_path):
    drawn = [draw(seed) for seed in range(2)]
    models = [model_in(make_model(f"m{place}", tensors)) for place, tensors in enumerate(drawn)]
    combine(models, [1.5, -0.5], tmp_path / "out")
    for name, value in tensors_of(tmp_path / "out").items():
        torch.testing.assert_close(value, 1.5 * drawn[0][name] - 0.5 * drawn[1][name])


def test_what_lies_beside_is_that_of_the_last_and_the_manifest_names_the_parents(make_model, draw, tmp_path):
    folders = [make_model(f"m{place}", draw(place) | {"steps": torch.tensor([7])}) for place in range(3)]
    (folders[2] / "README.md").write_text("of the last alone")
    (folders[2] / "pytorch_model.bin").write_bytes(b"stale")
    (folders[2] / "adapter_config.json").write_text("{}")
    (folders[2] / "1_Pooling").mkdir()
    (folders[2] / "1_Pooling" / "config.json").write_text("{}")
    models = [model_in(folder) for folder in folders]
    manifest = combine(models, [0.2, 0.3, 0.5], tmp_path / "out", method="by hand")
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {
        "config.json", "tokenizer.json", "generation_config.json", "model.safetensors", "manifest.json",
        "1_Pooling/config.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == {"name": "m2"}
    assert [parent["weight"] for parent in manifest["parents"]] == [0.2, 0.3, 0.5] and manifest["method"] == "by hand"
    assert len({parent["digest"] for parent in manifest["parents"]}) == 3
    assert manifest["files"] == manifests.digests(tmp_path / "out") and tensors_of(tmp_path / "out")[
        "steps"
    ].tolist() == [7]


def test_parents_are_named_by_where_they_are(make_model, draw, tmp_path, monkeypatch):
    for place in range(2):
        make_model(f"m{place}", draw(place))
    (tmp_path / "best").symlink_to("m1")
    monkeypatch.chdir(tmp_path)
    manifest = combine([model_in("m0"), model_in("best")], uniform(2), "out")
    assert [parent["folder"] for parent in manifest["parents"]] == [
        str((tmp_path / name).resolve()) for name in ("m0", "m1")
    ]


def test_keys_for_older_readers_make_no_other_net(make_model, draw, tmp_path):
    """A run may have checkpoints of before and after they came to be written."""
    old, new = make_model("old", draw(0)), make_model("new", draw(1), torch_dtype="float32", global_rope_theta=1e4)
    combine([model_in(old), model_in(new)], uniform(2), tmp_path / "out")
    other = make_model("other", draw(1), torch_dtype="bfloat16")
    with pytest.raises(UserError, match="differ in torch_dtype"):
        combine([model_in(new), model_in(other)], uniform(2), tmp_path / "none")


def refuse(
    make_model, tmp_path, match: str, first: dict[str, torch.Tensor], last: dict[str, torch.Tensor], **other
) -> None:
    first, last = make_model("first", first), make_model("last", last, **other)
    with pytest.raises(UserError, match=match):
        combine([model_in(first), model_in(last)], uniform(2), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".aside-*"))


def test_other_shapes_types_architectures_tokenizers_are_refused(make_model, draw, tmp_path):
    narrow = draw(1) | {"model.norm.weight": torch.ones(8)}
    cases = [
        (r"has model.norm.weight as F32\(16,\), .* as F32\(8,\); only models of equal shapes", narrow, {}),
        (r"as F32\(50, 16\), .* as BF16\(50, 16\)", draw(1, torch.bfloat16), {}),
        (r"only one of them has lm_head.weight", draw(1) | {"lm_head.weight": torch.ones(50, 16)}, {}),
        (r"differ in hidden_size; only nets of one architecture", draw(1), {"hidden_size": 32}),
        (r"differ in rope_theta", draw(1), {"rope_theta": 1e6}),
        (r"have different tokenizers \(tokenizer.json\)", draw(1), {"tokenizer": '{"other": 1}'}),
    ]  # fmt: skip
    for place, (match, tensors, other) in enumerate(cases):
        folder = tmp_path / str(place)
        folder.mkdir()
        refuse(
            lambda name, *a, folder=folder, **k: make_model(f"{folder.name}/{name}", *a, **k),
            folder,
            match,
            draw(0),
            tensors,
            **other,
        )


def test_one_net_is_the_same_however_its_configuration_is_spelt(make_model, draw, tmp_path):
    """By transformers 4 and 5, with numbers in fp32, with and without what is null or default."""
    old = make_model(
        "old",
        draw(0),
        rope_theta=1_000_000,
        rope_scaling=None,
        rms_norm_eps=9.999999747378752e-06,
        torch_dtype="float32",
    )
    rope = {"rope_type": "default", "rope_theta": 1e6}
    new = make_model(
        "new",
        draw(1),
        rope_parameters=rope,
        rms_norm_eps=1e-5,
        sliding_window=None,
        use_cache=True,
        initializer_range=0.01,
    )
    combine([model_in(old), model_in(new)], uniform(2), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == json.loads((new / "config.json").read_text())
    other = make_model("other", draw(2), model_type="gpt2", eps=9.999999747378752e-06, scale=None)
    same = make_model("same", draw(3), model_type="gpt2", eps=1e-5)
    combine([model_in(other), model_in(same)], uniform(2), tmp_path / "foreign")
    for name, change in (("deeper", {"num_layers": 3}), ("eps", {"eps": 2e-5})):
        with pytest.raises(UserError, match=f"differ in {min(change)}"):
            combine(
                [model_in(same), model_in(make_model(name, draw(4), model_type="gpt2", **{"eps": 1e-5} | change))],
                uniform(2),
                tmp_path / "no",
            )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_refused(make_model, draw, tmp_path, value):
    tensors = draw(1)
    tensors["model.layers.0.w.weight"][3, 4] = value
    refuse(make_model, tmp_path, r"last has values in model.layers.0.w.weight that are not finite", draw(0), tensors)


def test_folders_that_are_no_models(make_model, draw, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is neither a checkpoint nor a model"):
        model_in(tmp_path / "empty")
    folder = make_model("bin", draw(0))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="only weights in safetensors can be merged"):
        model_in(folder)
    folder = make_model("index", draw(0), 1000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["model.scale"] = "../bin/model.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"names ../bin/model.safetensors, which is no file beside it"):
        model_in(folder)


MEASURED = """
import sys
from model.surgery import average
from model.surgery.inputs import model_in

def anonymous():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

models, weights = [model_in(folder) for folder in sys.argv[2:]], average.uniform(len(sys.argv) - 2)
average.combine(models, weights, sys.argv[1] + "/first")  # what is loaded once, whatever the size
append, seen, before = average._append, [], anonymous()
average._append = lambda file, tensor: (append(file, tensor), seen.append(anonymous() - before))
average.combine(models, weights, sys.argv[1] + "/out")
print(len(seen), max(seen))
"""


def test_one_tensor_of_each_model_is_in_memory(tmp_path, make_model):
    """Anonymous memory while 3 models of 16 tensors of 4 MB are averaged: a few tensors, not the models. In a process
    of its own, whose malloc keeps nothing large that was freed."""
    size = 4 << 20
    folders = [
        make_model(
            f"m{place}", {f"t{number:02}": torch.full((size // 4,), float(place)) for number in range(16)}, 20 << 20
        )
        for place in range(3)
    ]
    command = [sys.executable, "-c", MEASURED, str(tmp_path), *map(str, folders)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    count, most = map(int, told.split())
    assert count == 16 and most < 4 * size
    assert all((value == 1.0).all() for value in tensors_of(tmp_path / "out").values())


KILLED = """
import os, signal, sys
from model.surgery import average
from model.surgery.inputs import model_in
append, left = average._append, [int(sys.argv[4])]
def stop(file, tensor):
    append(file, tensor)
    left[0] -= 1
    if not left[0]:
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
average._append = stop
average.combine([model_in(sys.argv[1]), model_in(sys.argv[2])], [0.5, 0.5], sys.argv[3])
"""


def test_killed_in_the_middle_leaves_nothing_that_looks_whole(make_model, draw, tmp_path):
    folders = [make_model(f"m{place}", draw(place)) for place in range(2)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    output = tmp_path / "out"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, folders), str(output), "3"], env=environment, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL and not output.exists() and list(tmp_path.glob(".aside-out-*"))
    models = [model_in(folder) for folder in folders]
    combine(models, uniform(2), output)
    before = manifests.digests(output)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, folders), str(output), "3"], env=environment, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL and manifests.digests(output) == before


def test_what_a_stranger_put_beside_the_weights_is_not_handed_on(make_model, draw, tmp_path):
    models = [make_model(f"m{place}", draw(place)) for place in range(2)]
    before = json.loads((models[1] / "config.json").read_text())
    for model in models:
        (model / "config.json").write_text(
            json.dumps(before | {"auto_map": {"AutoModel": "x.Y"}, "_attn_implementation": "somebody/kernel"})
        )
    (tmp_path / "secret").write_text("geheim")
    (models[1] / "notes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"notes.txt is a link that leads out of its folder"):
        combine([model_in(model) for model in models], uniform(2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (models[1] / "notes.txt").unlink()
    (models[1] / "notes.txt").symlink_to("config.json")
    combine([model_in(model) for model in models], uniform(2), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == before
    (models[1] / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "joblib.numpy_pickle"}])
    )
    with pytest.raises(UserError, match="no module of sentence-transformers"):
        combine([model_in(model) for model in models], uniform(2), tmp_path / "again")
