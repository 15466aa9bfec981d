"""The tokenizer that a net was trained with, and whether the text that it is to read was made with that one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from common.progress import say
from common.same_tokenizer import difference
from common.tokenizer import FILE
from conf.schema import Config
from model.hf.tokenizer import check_tokenizer_files
from model.training.phase import MAIN, Phase
from model.training.run import CONFIG, read_config
from model.training.saves import Save, list_saves, read_save
from model.training.tokens import check_tokenizer

HALF = "hf"


def tokenizer_of(model: str | Path) -> Path | None:
    """Folder of the tokenizer of a model in Hugging Face's format, or of a save; None where nothing tells."""
    folder = Path(model).resolve()
    if (folder / FILE).is_file():
        return folder
    if (folder / manifests.NAME).is_file() and manifests.read(folder).get("kind") == "save":
        return tokenizer_of_save(read_save(folder))
    return None


def tokenizer_of_save(save: Save) -> Path | None:
    """Folder of the tokenizer that a save was trained with: its own, or, where it has none, one that is still the same
    in the data of its run or in another save; None where that is gone. Of a save that does not tell, that of the data
    of its run."""
    if (save.folder / HALF / FILE).is_file():
        return save.folder / HALF
    return tokenizer_of_run(save.folder.parents[1], save.manifest.get("tokenizer"))


def tokenizer_of_run(run: Path, wanted: str | None) -> Path | None:
    """Folder of a tokenizer.json with the digest ``wanted`` (any, where that is None), in the data of a run or in one
    of its saves; None where that is gone."""
    for folder in _candidates(run):
        if (folder / FILE).is_file() and wanted in (None, digest(folder / FILE)):
            return folder
    return None


def _candidates(run: Path) -> Iterator[Path]:
    if (run / CONFIG).is_file() and (named := read_config(run)["data"]["tokenizer"]):
        yield Path(named)
    yield from (save.folder / HALF for save in list_saves(run))


def check_tokenizers(
    config: Config, phases: Sequence[Phase], begun: bool, coming: Callable[[str], bool] = lambda path: False
) -> None:
    """Raise UserError where prepared tokens (of a phase, or held out) were not made with `data.tokenizer`, or where the
    net that the run starts from (not once it has ``begun``) was trained with another tokenizer, and
    `train.allow_other_tokenizer` is not set; or where `data.tokenizer` could not be copied to saves.

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
    return read | {f"data.heldout.{name}": Path(folder) for name, folder in config.data.heldout.items()}


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
