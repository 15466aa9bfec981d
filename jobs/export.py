"""Export one checkpoint of a run, the best one by default, as a Hugging Face folder with a model card that tells what
was measured.

transformers' AutoModelForMaskedLM and sentence-transformers load the folder of an encoder, AutoModelForCausalLM that of
a decoder. It is loaded once before it appears under its name.

  python -m jobs.export experiment=quickstart
  python -m jobs.export sweep.run=runs/quickstart/seed_0 export.output=models/mine
  python -m jobs.export export.checkpoint=runs/quickstart/seed_0/checkpoints/step_0000980 export.output=models/last
"""

import shutil
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_folder, digest_of
from common.layout import CONFIG, HF, MEGATRON
from common.progress import say
from common.remove import refuse_strange
from common.tokenizer import FILE
from conf.schema import Config, DecoderConfig
from jobs.cli import main
from model.training.checkpoints.checkpoints import PROBE, Checkpoint, read_checkpoint, verify
from model.training.run.config import read_config

KIND = "export"


def run(config: Config) -> Path:
    """Export ``config.export.checkpoint`` to ``config.export.output`` and return that folder; does nothing where it is
    there already.

    Raises UserError where there is no such checkpoint, it is damaged, or the output is a folder that this job did not
    make."""
    checkpoint, output = _find(config), Path(config.export.output)
    parent = {
        "checkpoint": str(checkpoint.folder),
        "step": checkpoint.step,
        "digest": digest_of(checkpoint.manifest["files"]),
    }
    parent["results"] = digest_of(_measured(checkpoint))
    if stated := _stated(config):
        parent["card"] = stated
    if _existing(output) == parent:
        say(f"{output} holds step {checkpoint.step} of {_run_folder(checkpoint)} already")
        return output
    refuse_strange(output, KIND)
    if config.dry_run:
        say(f"would export step {checkpoint.step} of {_run_folder(checkpoint)} to {output}")
        return output
    problem = verify(checkpoint)
    if problem:
        raise UserError(f"the checkpoint {checkpoint.folder} is damaged ({problem}); export another or train it again")
    with atomic_folder(output, KIND) as aside:
        _write_model(config, checkpoint, aside)
        parameters = _load(aside)
        (aside / "README.md").write_text(_card(config, checkpoint, aside, parameters), encoding="utf-8")
        fields = {"parameters": parameters, "files": manifests.digests(aside)}
        manifests.write(aside, manifests.describe(KIND, name=config.name, parent=parent, **fields))
    say(f"exported step {checkpoint.step} of {_run_folder(checkpoint)} to {output} ({parameters:,} parameters)")
    if checkpoint.step == 0:
        say(
            "warning: step 0 is the net before its training; no later checkpoint was better on the queries that chose"
            " it (jobs.sweep)"
        )
    return output


def _stated(config: Config) -> dict[str, Any]:
    """What the configuration itself says for the card."""
    stated = {key: getattr(config.export, key) for key in ("language", "license", "base_model", "datasets")}
    return {key: value for key, value in stated.items() if value}


def _find(config: Config) -> Checkpoint:
    path = Path(config.export.checkpoint)
    if not path.exists():
        raise UserError(
            f"there is no checkpoint {path}; run jobs.sweep, which chooses the best one, or set export.checkpoint to"
            " one of the run's checkpoints"
        )
    return read_checkpoint(path)


def _run_folder(checkpoint: Checkpoint) -> Path:
    return checkpoint.folder.parents[1]


def _existing(output: Path) -> dict[str, Any] | None:
    """What the folder ``output`` was made of, None where there is none. Raises UserError rather than replace something
    else."""
    if not output.exists():
        return None
    if (output / manifests.NAME).is_file() and manifests.read(output).get("kind") == KIND:
        return manifests.read(output)["parent"]
    if output.is_dir() and not any(output.iterdir()):
        return None
    raise UserError(
        f"{output} exists and is not an export of this job; set export.output to another folder, or remove it"
    )


def _write_model(config: Config, checkpoint: Checkpoint, folder: Path) -> None:
    """Copy the hf/ half of ``checkpoint``; make it from the Megatron half of a checkpoint that has none."""
    if checkpoint.kind == PROBE:
        _copy_half(checkpoint, folder)
        return
    from model.hf.folder import export_net
    from model.megatron.checkpoint import load_model_only
    from model.megatron.startup import start
    from model.nets.build import build_net
    from model.training.run.open_model import frozen_shape
    from model.training.run.tokenizers import tokenizer_of_checkpoint

    parallel = config.parallel.on(bf16=False)  # whatever the device: what is written must not depend on it
    start(parallel, config.seed)
    frozen = read_config(_run_folder(checkpoint))
    if (tokenizer := tokenizer_of_checkpoint(checkpoint)) is None:
        raise UserError(
            f"the tokenizer that {checkpoint.folder} was trained with is no longer in {frozen['data']['tokenizer']};"
            f" restore the {FILE} there"
        )
    shape = frozen_shape(checkpoint)
    net = build_net(shape, parallel, initialise=False)
    load_model_only(checkpoint.folder / MEGATRON, net)
    export_net(net, shape, folder, tokenizer)


def _copy_half(checkpoint: Checkpoint, folder: Path) -> None:
    """The files of hf/ that the manifest of ``checkpoint`` lists and such a half consists of: no link, no code, and no
    configuration that names any. Raises UserError for a listed file that lies elsewhere."""
    from model.hf.carried import remove_code
    from model.hf.sentence_transformers import FILES as MODULES
    from model.hf.tensors import CONFIG, INDEX
    from model.hf.tokenizer import FILES, GENERATION, SETTINGS

    kept = (*FILES, SETTINGS, GENERATION, CONFIG, INDEX, *MODULES)  # and weights
    for name in checkpoint.manifest["files"]:
        path, file = PurePosixPath(name), checkpoint.folder / name
        inner = name.removeprefix(f"{HF}/")
        if path.parts[0] != "hf" or not (inner in kept or fnmatch(inner, "model*.safetensors")):
            continue
        if ".." in path.parts or any(part.is_symlink() for part in (file, *file.parents[: len(path.parts) - 1])):
            raise UserError(
                f"{file} is a link, or lies outside of the checkpoint; only files that the checkpoint itself holds are"
                " exported"
            )
        target = folder / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    remove_code(folder)


def _load(folder: Path) -> int:
    """Load the folder as a user will, and return the number of parameters. Raises UserError where that fails."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from model.hf.folder import read_model

    shape = read_model(folder)
    auto = AutoModelForCausalLM if isinstance(shape, DecoderConfig) else AutoModelForMaskedLM
    disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, loading = auto.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        with torch.inference_mode():
            logits = model(input_ids=tokenizer(["a text"], return_tensors="pt")["input_ids"]).logits
    except Exception as error:  # transformers raises whatever its parts do
        raise UserError(
            f"transformers cannot load the exported folder ({error}); the checkpoint is no {shape.architecture} of this"
            " version"
        ) from error
    wrong = [*loading["missing_keys"], *loading["unexpected_keys"], *loading["mismatched_keys"]]
    if wrong or not bool(logits.isfinite().all()):
        raise UserError(
            f"transformers loads the exported folder wrongly ({wrong[:3] or 'logits are not finite'}); export another"
            " checkpoint"
        )
    return sum(parameter.numel() for parameter in model.parameters())


def _measured(checkpoint: Checkpoint) -> dict[str, list[dict[str, Any]]]:
    """Heading -> rows of the card: what each measure found at this checkpoint, and at that of step 0."""
    from model.evaluation.registry import MEASURES

    run = _run_folder(checkpoint)
    rows = {measure.card_heading(): measure.card(run, checkpoint) for measure in reversed(MEASURES.values())}
    return {heading: own for heading, own in rows.items() if own}


def _card(config: Config, checkpoint: Checkpoint, folder: Path, parameters: int) -> str:
    from model.hf.card import model_card
    from model.hf.folder import read_model
    from model.training.run.origins import origins

    known = {
        "step": checkpoint.step,
        "tokens seen": checkpoint.manifest.get("tokens"),
        "training loss": checkpoint.manifest.get("loss"),
    }
    known |= {"held-out loss": checkpoint.manifest.get("validation_loss"), "seed": checkpoint.manifest.get("seed")}
    known |= {
        f"version of {package}": number
        for package, number in manifests.of_models(checkpoint.manifest["versions"]).items()
    }
    facts = {name: value for name, value in known.items() if value is not None}
    made_of = origins(checkpoint)
    header = {"datasets": [*config.export.datasets, *made_of.datasets], "language": made_of.languages}
    if made_of.base:
        header["base_model"] = made_of.base.name if made_of.base.on_hub else None
        header["license"] = made_of.base.card.get("license")
        header["language"] = header["language"] or made_of.base.card.get("language")
    header |= {key: value for key, value in _stated(config).items() if key != "datasets"}
    name, frozen = config.name, _run_folder(checkpoint) / CONFIG
    if name == Config().name and frozen.is_file():
        name = read_config(_run_folder(checkpoint)).get("name", name)
    return model_card(
        name,
        read_model(folder),
        parameters,
        facts,
        _measured(checkpoint),
        data=made_of.told(),
        **header,
    )


if __name__ == "__main__":
    main("export", run)
