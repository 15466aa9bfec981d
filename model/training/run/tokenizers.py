"""The tokenizer that a net was trained with, and whether the text that it is to read was made with that one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from common.layout import CONFIG
from common.progress import say
from common.same_tokenizer import difference
from common.tokenizer import FILE
from conf.schema import Config
from model.hf.tokenizer import check_tokenizer_files
from model.training.checkpoints.checkpoints import Checkpoint, list_checkpoints, read_checkpoint
from model.training.data.tokens import check_tokenizer
from model.training.run.config import read_config
from model.training.timeline.phase import MAIN, Phase

HALF = "hf"


def tokenizer_of(model: str | Path) -> Path | None:
    """Folder of the tokenizer of a model in Hugging Face's format, or of a checkpoint; None where nothing tells."""
    folder = Path(model).resolve()
    if (folder / FILE).is_file():
        return folder
    if (folder / manifests.NAME).is_file() and manifests.read(folder).get("kind") == "checkpoint":
        return tokenizer_of_checkpoint(read_checkpoint(folder))
    return None


def tokenizer_of_checkpoint(checkpoint: Checkpoint) -> Path | None:
    """Folder of the tokenizer that a checkpoint was trained with: its own, or, where it has none, one that is still the
    same in the data of its run or in another checkpoint; None where that is gone. Of a checkpoint that does not tell,
    that of the data of its run."""
    if (checkpoint.folder / HALF / FILE).is_file():
        return checkpoint.folder / HALF
    return tokenizer_of_run(checkpoint.folder.parents[1], checkpoint.manifest.get("tokenizer"))


def tokenizer_of_run(run: Path, wanted: str | None) -> Path | None:
    """Folder of a tokenizer.json with the digest ``wanted`` (any, where that is None), in the data of a run or in one
    of its checkpoints; None where that is gone."""
    for folder in _candidates(run):
        if (folder / FILE).is_file() and wanted in (None, digest(folder / FILE)):
            return folder
    return None


def _candidates(run: Path) -> Iterator[Path]:
    if (run / CONFIG).is_file() and (named := read_config(run)["data"]["tokenizer"]):
        yield Path(named)
    yield from (checkpoint.folder / HALF for checkpoint in list_checkpoints(run))


def check_tokenizers(
    config: Config, phases: Sequence[Phase], begun: bool, coming: Callable[[str], bool] = lambda path: False
) -> None:
    """Raise UserError where prepared tokens (of a phase, or held out) were not made with `data.tokenizer`, or where the
    net that the run starts from (not once it has ``begun``) was trained with another tokenizer, and
    `train.allow_other_tokenizer` is not set; or where `data.tokenizer` could not be copied to checkpoints.

    What is not there yet, or ``coming`` by other jobs, is passed over."""
    tokenizer = Path(config.data.tokenizer)
    if not (tokenizer / FILE).is_file():
        return
    check_tokenizer_files(tokenizer)
    for key, folder in _tokens(config, phases).items():
        known = manifests.read(folder) if (folder / manifests.NAME).is_file() and not coming(str(folder)) else {}
        if "tokenizer" in known:
            _named(key, folder, known, tokenizer)
    start = config.train.init_from or config.train.branch_from
    if start and Path(start).exists() and not begun and not coming(start):
        _check_start(config, start, tokenizer)


def _tokens(config: Config, phases: Sequence[Phase]) -> dict[str, Path]:
    """Prepared tokens by the key that names them."""
    read = {"data.tokens" if phase.name == MAIN else f"phases.{phase.name}": Path(phase.data) for phase in phases}
    return read | {f"data.validation.{name}": Path(folder) for name, folder in config.data.validation.items()}


def _named(key: str, folder: Path, known: dict[str, Any], tokenizer: Path) -> None:
    try:
        check_tokenizer(folder, known, tokenizer)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def _check_start(config: Config, start: str, tokenizer: Path) -> None:
    key = "train.init_from" if config.train.init_from else "train.branch_from"
    own = tokenizer_of(start)
    if own is None:
        say(
            f"warning: {key}: {start} does not tell its tokenizer (no {FILE}), so nothing says that {tokenizer} is the"
            " one it was trained with"
        )
    elif found := difference(own, tokenizer):
        told = (
            f"{key}: the net of {start} was trained with the tokenizer in {own}, and data.tokenizer={tokenizer} is"
            f" another: {found}"
        )
        if not config.train.allow_other_tokenizer:
            raise UserError(
                f"{told}; prepare the text with the first (data.tokenizer={own}), or set"
                " train.allow_other_tokenizer=true where the net is to learn another vocabulary"
            )
        say(f"warning: {told}; train.allow_other_tokenizer allows it")
