"""The digest of a model's folder, for what is made with it."""

from functools import cache
from pathlib import Path

from common.errors import UserError
from common.files import digest, digest_of


@cache
def model_digest(folder: str, key: str, job: str) -> str:
    """Digest of the files of the model in ``folder``, which ``key`` names and ``job`` makes. Raises UserError where
    there is none."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file()) if Path(folder).is_dir() else []
    if not files:
        raise UserError(
            f"{key}: {folder} holds no model; make it first (python -m jobs.{job}), or leave out what needs it"
        )
    return digest_of([[str(path.relative_to(folder)), digest(path)] for path in files])
