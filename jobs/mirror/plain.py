"""What the hub library raises, as one sentence that names the mend."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_token

from common.artefacts import Reference
from common.errors import UserError

UNREACHABLE = (httpx2.TransportError, OfflineModeIsEnabled)


@contextmanager
def explained(reference: Reference, cache: Path) -> Iterator[None]:
    """Turn whatever goes wrong between the hub and the disk into a UserError. The token is never part of it."""
    try:
        yield
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx2.HTTPError) as error:
        raise UserError(_of_hub(reference, _root(error))) from error
    except OSError as error:
        raise UserError(_of_disk(error, cache)) from error


def _root(error: BaseException) -> BaseException:
    """`LocalEntryNotFoundError` says that nothing is in the cache either; what the hub said is its cause."""
    while isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _of_hub(reference: Reference, error: BaseException) -> str:
    here, kind = constants.ENDPOINT, {"model": "model", "dataset": "data set"}[reference.kind]
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, and fetching needs the hub; unset it for this command"
    if isinstance(error, UNREACHABLE):
        return (
            f"{here} cannot be reached ({_first_line(error)}); run this where there is internet, such as a login node, "
            "or set HTTPS_PROXY, or HF_ENDPOINT to a mirror"
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{reference.name} has no revision '{reference.revision}'; name a branch, a tag or a commit in {reference}"
        )
    token = get_token() is not None
    if isinstance(error, GatedRepoError):
        mend = "with the account of HF_TOKEN" if token else "and set HF_TOKEN to a token of that account"
        return f"{reference.name} is gated; ask for access at {here}/{_page(reference)} {mend}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, RepositoryNotFoundError) or (
        status == 401 and not token
    ):  # so it answers strangers who mistype a name
        also = "the account of HF_TOKEN may not see it" if token else "it is private and HF_TOKEN is not set"
        return f"the hub has no {kind} '{reference.name}', or {also}; mend the name in {reference}"
    if status in (401, 403):
        return f"{here} refuses access to {reference} (status {status}); renew HF_TOKEN"
    return (
        f"{here} failed on {reference} ({_first_line(error)}); run the same command again later, it goes on where it"
        " stopped"
    )


def _page(reference: Reference) -> str:
    return f"{'datasets/' if reference.kind == 'dataset' else ''}{reference.name}"


def _of_disk(error: OSError, cache: Path) -> str:
    place = error.filename or cache
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk or quota of {cache} is full; make room or set fetch.cache to a larger disk, then the same"
            " command goes on"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{place} cannot be written ({os.strerror(error.errno)}); set fetch.cache (or HF_HOME) to a folder of yours"
        )
    return f"{place}: {_first_line(error)}; run the same command again, it goes on where it stopped"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
