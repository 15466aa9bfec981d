"""What section `model` leaves open: a shape that the net to start from states, rows of the vocabulary that the
tokenizer decides."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import yaml

import conf
from common import manifest as manifests
from common.artefacts import SCHEME, resolve
from common.errors import UserError
from common.layout import CONFIG as RUN
from common.layout import HF, STEPS, checkpoints_folder
from common.numbers import same
from common.progress import say
from common.tokenizer import FILE, load_tokenizer
from conf.schema import Config, DecoderConfig, EncoderConfig, ModelConfig
from conf.schema.check import check
from conf.schema.kinds import section
from conf.schema.model import AUTO, AutoConfig
from model.hf.folder import CONFIG, check_shape, read_model
from model.projections import projections
from model.shapes import ROW_MULTIPLE
from model.training.checkpoints.checkpoints import Checkpoint, list_checkpoints, read_checkpoint
from model.training.run.config import read_config

DEFAULT = Path(conf.__file__).parent / "model" / "encoder" / "tiny.yaml"
"""The net of who names none."""
ROTATIONS = ("rope_theta", "rope_scaling", "rope_theta_global", "rope_theta_local")


def is_open(config: Config) -> bool:
    """Whether section `model` leaves something open."""
    return isinstance(config.model, AutoConfig) or config.model.vocab_size == AUTO


def close_default(config: Config) -> Config:
    """``config`` with the default net where none is named and there is nothing to start from."""
    if not isinstance(config.model, AutoConfig) or config.train.init_from or config.train.branch_from:
        return config
    values = {
        key: value for key, value in yaml.safe_load(DEFAULT.read_text(encoding="utf-8")).items() if key != "defaults"
    }
    return _with(
        config,
        _given(
            section(Config, "model", {"architecture": EncoderConfig.architecture} | values), config.model, starts=False
        ),
    )


def close_model(config: Config, ahead: bool = False) -> Config:
    """``config`` with nothing in section `model` left open.

    A run that has begun keeps its net. Else the shape is that of the net to start from, and is said; the rows of the
    vocabulary are the tokens of `data.tokenizer`, or ``ahead`` of it `tokenizer.vocab_size`, filled up. Raises
    UserError where there is nothing to read."""
    config = close_default(config)
    if not is_open(config):
        return config
    frozen = _frozen(config)
    if isinstance(config.model, AutoConfig):
        shape = frozen or _read_start(config)
        config = _with(config, _given(shape, config.model))
        if not (frozen or ahead):
            say(f"model=auto: {_told(config.model)}, from {config.train.init_from or config.train.branch_from}")
    if config.model.vocab_size == AUTO:
        config = _with(
            config, dataclasses.replace(config.model, vocab_size=frozen.vocab_size if frozen else _rows(config, ahead))
        )
    return config


def frozen_shape(checkpoint: Checkpoint) -> ModelConfig:
    """Section `model` of the run of ``checkpoint`` as it was by then: a phase may have changed the RoPE base, from its
    beginning on."""
    known = read_config(checkpoint.folder.parents[1])
    model = dict(known["model"])
    for name in checkpoint.manifest.get("phases", {}):
        if theta := known.get("phases", {}).get(name, {}).get("rope_theta"):
            model["rope_theta"] = theta
    return section(Config, "model", model)


def shape_in(folder: Path, key: str, whole: bool = False) -> ModelConfig:
    """The shape of the net in ``folder``, which ``key`` names: a model in Hugging Face's format or a checkpoint of
    ours, of which ``whole`` takes all that its run was configured with. Raises UserError where it states none."""
    if not folder.exists():
        raise UserError(
            f"{key}: {folder} does not exist, and model=auto reads its shape there; make it first, or name model=..."
        )
    if (shape := _stated(folder, whole)) is None:
        checkpoints = sorted(checkpoints_folder(folder).glob(STEPS))
        mend = f"name one of its checkpoints, such as {checkpoints[-1]}" if checkpoints else "name model=..."
        raise UserError(f"{key}: {folder} does not state its shape (no {CONFIG}), which model=auto reads; {mend}")
    return shape


def _stated(folder: Path, whole: bool) -> ModelConfig | None:
    """See `shape_in`; None where nothing states a shape."""
    if (folder / manifests.NAME).is_file() and manifests.read(folder).get("kind") == "checkpoint":
        checkpoint = read_checkpoint(folder.resolve())
        if not whole and (folder / HF / CONFIG).is_file():
            return read_model(folder / HF)
        if (checkpoint.folder.parents[1] / RUN).is_file():
            return frozen_shape(checkpoint)
        folder = folder / HF
    return read_model(folder) if (folder / CONFIG).is_file() else None


def check_start(config: Config) -> None:
    """Raise UserError where the net that the training starts from is another than that of section `model`, before it is
    built: weights of equal shapes do not tell heads, windows and norms apart. Other rotations, which a training may be
    meant to change, are said."""
    for key in ("init_from", "branch_from"):
        place = getattr(config.train, key)
        if not place or (theirs := _stated(Path(place), whole=key == "branch_from")) is None:
            continue
        check_shape(config.model, theirs, Path(place))
        for name in ROTATIONS:
            here, there = getattr(config.model, name, None), getattr(theirs, name, None)
            if not same(here, there):
                say(f"warning: train.{key}: model.{name}={here}, and the net of {place} was trained with {there}")


def _frozen(config: Config) -> ModelConfig | None:
    """The net of the run, where it has a checkpoint; without one it takes any."""
    begun = (Path(config.run_dir) / RUN).is_file() and list_checkpoints(config.run_dir)
    return section(Config, "model", read_config(config.run_dir)["model"]) if begun else None


def _read_start(config: Config) -> ModelConfig:
    train = config.train
    key = "init_from" if train.init_from else "branch_from"
    place = getattr(train, key)
    folder = resolve(place, f"train.{key}") if place.startswith(SCHEME) else Path(place)
    return shape_in(folder, f"train.{key}", whole=key == "branch_from")


def _told(model: ModelConfig) -> str:
    heads = f"{model.num_heads} heads" + (
        f" ({model.num_kv_heads} of keys)" if isinstance(model, DecoderConfig) else ""
    )
    layers = f"{model.num_layers} layers of {model.hidden_size}, {heads}, feed-forward {model.ffn_size}"
    return f"{model.architecture}, {layers}, vocabulary {model.vocab_size:,}, up to {model.max_positions:,} tokens"


def _given(shape: ModelConfig, own: AutoConfig, starts: bool = True) -> ModelConfig:
    """``shape`` with what ``own`` gives beside it. Raises UserError for a key that such a net has not."""
    values = _set(dataclasses.asdict(own))
    values.pop("architecture")
    if starts and values.get("vocab_size") == AUTO:  # the net that is there has its rows
        values.pop("vocab_size")
    if isinstance(shape, DecoderConfig) and "lora" in values:
        targets = [name for names in projections(shape).values() for name in names]
        values["lora"].setdefault("targets", targets)
    return _replaced(shape, values, "model")


def _set(values: dict[str, Any]) -> dict[str, Any]:
    """Those that are given."""
    found = {key: _set(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in found.items() if value not in (None, {})}


def _replaced(shape: Any, values: dict[str, Any], key: str) -> Any:
    for name in values:
        if not hasattr(shape, name):
            kind = "an encoder" if isinstance(shape, EncoderConfig) else "a decoder"
            raise UserError(
                f"{key}.{name} is no key of {kind}, which this net is; take it out, or choose another model=..."
            )
    new = {n: _replaced(getattr(shape, n), v, f"{key}.{n}") if isinstance(v, dict) else v for n, v in values.items()}
    return dataclasses.replace(shape, **new)


def _rows(config: Config, ahead: bool) -> int:
    """Rows of the vocabulary: as many as the tokenizer has tokens, filled up so that layouts and matrix products
    fit."""
    file = resolve(config.data.tokenizer, "data.tokenizer") / FILE
    if file.is_file():
        tokenizer = load_tokenizer(file, "run jobs.tokenizer again, or set data.tokenizer")
        tokens = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    elif ahead:
        tokens = config.tokenizer.vocab_size
    else:
        raise UserError(
            f"model.vocab_size=auto counts the tokens of {file}, which does not exist; run jobs.tokenizer, or give a"
            " number"
        )
    multiple = math.lcm(ROW_MULTIPLE, config.parallel.tensor)
    rows = -(-tokens // multiple) * multiple
    if not ahead:
        say(f"model.vocab_size=auto: {rows:,} rows for the {tokens:,} tokens of {file.parent}")
    return rows


def _with(config: Config, model: ModelConfig) -> Config:
    found = dataclasses.replace(config, model=model)
    check(found)
    return found
