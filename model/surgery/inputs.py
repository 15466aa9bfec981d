"""Models to merge: where they lie, what their bytes are, and whether they are of one kind."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest, has_digest, read_json
from common.layout import HF, TOKENIZER
from common.numbers import same
from common.same_tokenizer import difference
from model.hf.folder import read_model
from model.hf.tensors import INDEX, SINGLE, weight_files
from model.training.checkpoints.checkpoints import PROBE, Checkpoint, list_checkpoints, read_checkpoint

HALF = f"{HF}/"
CONFIG = "config.json"
CARRIED = (".json", ".jinja", ".txt", ".model")
"""What lies beside the weights and is carried along: configurations, the tokenizer, a chat template."""
LEFT = (manifests.NAME, "pytorch_model.bin.index.json", "adapter_config.json")
"""Of these, what would speak of other weights than those that are written."""
MEANINGLESS = ("transformers_version", "_name_or_path")
"""Keys of config.json that say nothing about the net."""
TRAINING = (
    "init_std",
    "lora",
    "dropout",
    "embedding_dropout",
    "attention_out_dropout",
    "mlp_dropout",
    "decoder_bias_init",
)
"""Keys of our shapes that say how a net was trained, and not what it computes."""


@dataclass(frozen=True)
class Model:
    """One model in Hugging Face's format."""

    folder: Path
    """Where config.json and the weights are."""
    name: str
    """For people: step 1000, or the folder that was named."""
    files: dict[str, str]
    """Digests of the files that a merge reads, by their path below ``folder``, as they were written."""
    checkpoint: Checkpoint | None = None
    """The checkpoint that it is half of, if it is."""


def models_of_run(run: str | Path) -> list[Model]:
    """The probe checkpoints of a run, by step, the untrained one left out. Raises UserError where there are fewer than
    2."""
    if not Path(run).is_dir():
        raise UserError(
            f"the run folder {run} does not exist; train it with jobs.train, or set merge.run to the folder of a run"
        )
    found = [
        _of_checkpoint(checkpoint, f"step {checkpoint.step}")
        for checkpoint in list_checkpoints(run)
        if checkpoint.kind == PROBE and checkpoint.step > 0
    ]
    if len(found) < 2:
        raise UserError(
            f"{run} has {len(found)} probe checkpoints of a trained net, and an average takes 2 or more; "
            "train with train.checkpoint.probe_every_steps or probe_at_tokens, or name folders in merge.checkpoints"
        )
    return found


def model_in(folder: str | Path) -> Model:
    """The model in ``folder``, a probe checkpoint or a folder in Hugging Face's format. Raises UserError where there is
    none."""
    path = Path(folder)
    if (path / manifests.NAME).is_file() and manifests.read(path).get("kind") == "checkpoint":
        checkpoint = read_checkpoint(path)
        if checkpoint.kind != PROBE:
            raise UserError(
                f"the checkpoint {folder} has no hf/ half; name a probe checkpoint, or export it first with jobs.export"
            )
        return _of_checkpoint(checkpoint, str(folder))
    if not (path / CONFIG).is_file():
        raise UserError(
            f"{folder} is neither a checkpoint nor a model in Hugging Face's format (no {CONFIG}); name another in"
            " merge.checkpoints"
        )
    return Model(path, str(folder), {str(file.relative_to(path)): digest(file) for file in read_files(path)})


def _of_checkpoint(checkpoint: Checkpoint, name: str) -> Model:
    files = {
        file.removeprefix(HALF): value for file, value in checkpoint.manifest["files"].items() if file.startswith(HALF)
    }
    return Model(checkpoint.folder / HALF, name, files, checkpoint)


def read_files(folder: Path) -> list[Path]:
    """Files of a model that a merge reads or carries, weights first. Raises UserError where it has no weights in
    safetensors."""
    weights = weight_files(folder, "merged")
    left = (*LEFT, INDEX) if weights == [folder / SINGLE] else LEFT  # an index beside them is of other weights
    found = sorted(
        file for file in folder.rglob("*") if file.suffix in CARRIED and file.name not in left and file.is_file()
    )
    return [*weights, *found]


def check_whole(model: Model) -> None:
    """Raise UserError where a file of a checkpoint is not what was written; of another folder nothing is known."""
    for name, value in model.files.items() if model.checkpoint else ():
        if not (model.folder / name).is_file() or not has_digest(model.folder / name, value):
            raise UserError(
                f"{model.folder / name} is missing or not what was written; leave {model.name} out, or train it again"
            )


def check_alike(models: Sequence[Model]) -> None:
    """Raise UserError where two models have not the same architecture and tokenizer."""
    last = models[-1]
    for model in models[:-1]:
        if key := _net_difference(model.folder, last.folder):
            raise UserError(
                f"{model.folder / CONFIG} and {last.folder / CONFIG} differ in {key}; only nets of one architecture can"
                " be merged"
            )
        if found := _other_tokenizer(model, last):
            raise UserError(
                f"{model.folder} and {last.folder} have different tokenizers ({TOKENIZER}): {found}; only models of one"
                " can be merged"
            )


def _other_tokenizer(one: Model, other: Model) -> str | None:
    """In what the tokenizers of two models differ; None where they do not, or neither has one."""
    there = [TOKENIZER in model.files for model in (one, other)]
    if all(there):
        return difference(one.folder, other.folder)
    return f"only {(one if there[0] else other).folder} has one" if any(there) else None


def _net_difference(one: Path, other: Path) -> str | None:
    """The first key in which two nets differ. Of those that can be trained here it is the shape that counts, and the
    type of the weights, and not how a version of transformers spelt them."""
    known = [
        {key: value for key, value in read_json(folder / CONFIG).items() if key not in MEANINGLESS}
        for folder in (one, other)
    ]
    if (key := _difference(*known)) is None:
        return None
    try:
        shapes = [asdict(read_model(folder)) for folder in (one, other)]
    except UserError:  # a net of another kind, or one that differs from those here
        return key
    types = [config.get("dtype") or config.get("torch_dtype") for config in known]
    if all(types) and types[0] != types[1]:
        return "dtype" if any("dtype" in config for config in known) else "torch_dtype"
    return _difference(*({key: value for key, value in shape.items() if key not in TRAINING} for shape in shapes))


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """A key that is absent counts as null."""
    return next((key for key in sorted(one.keys() | other.keys()) if not same(one.get(key), other.get(key))), None)
