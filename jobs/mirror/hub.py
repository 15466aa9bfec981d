"""From the hub into the cache: plan what is lacking, bring it with the hub library's `snapshot_download`, check it,
record it."""

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import filter_repo_objects
from huggingface_hub.utils import tqdm as hub_bar

from common import manifest
from common.artefacts import Reference, snapshot
from common.errors import UserError
from common.files import atomic_file, digest, read_json, write_json
from common.interrupt import heed
from common.progress import Bar
from common.remove import remove_file
from conf.schema.fetch import FetchConfig
from jobs.mirror.plain import explained

MB = 1e-6
STALE_SECONDS = 3600
"""A download that is alive writes within minutes; what has lain longer was left by a killed one."""
COMMIT_LENGTH = 40


@dataclass
class Plan:
    """What one reference stands for on the hub, and how much of it is lacking here."""

    reference: Reference
    commit: str
    patterns: list[str]
    """What the mirror will hold of it: what is asked for now, and what was before."""
    files: list[RepoFile]
    """Empty where all is here already: then the hub was not asked."""
    lacking: list[RepoFile]

    @property
    def lacking_bytes(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.lacking)


def plan(reference: Reference, patterns: Sequence[str], cache: Path, config: FetchConfig) -> Plan:
    """Resolve ``reference`` to a commit and list its files. Raises UserError for whatever the hub refuses, and where
    nothing matches."""
    known = read_json(reference.record(cache)) if reference.record(cache).is_file() else {}
    if known and not config.update and snapshot(reference, patterns, cache):
        return Plan(reference, known["commit"], known["patterns"], [], [])
    patterns = sorted({*patterns, *known.get("patterns", [])})
    api = HfApi()
    with explained(reference, cache):
        if known and not config.update:
            commit = known["commit"]
        else:
            info = api.repo_info(reference.name, repo_type=reference.kind, revision=reference.revision)
            if info.gated:
                api.auth_check(reference.name, repo_type=reference.kind)
            commit = info.sha
        tree = api.list_repo_tree(reference.name, repo_type=reference.kind, revision=commit, recursive=True)
        everything = [entry for entry in tree if isinstance(entry, RepoFile)]
    chosen = filter_repo_objects(
        everything, allow_patterns=patterns, ignore_patterns=config.exclude, key=lambda file: file.path
    )
    files = sorted(chosen, key=lambda file: file.path)
    if not files:
        some = ", ".join(file.path for file in everything[:5]) or "no file"
        raise UserError(
            f"{reference} has no file like {', '.join(patterns[:4])}...; it holds {some}, ...; mend its path or"
            " fetch.include"
        )
    place = reference.folder(cache) / "snapshots" / commit
    return Plan(reference, commit, patterns, files, [file for file in files if not (place / file.path).exists()])


def check_room(plans: Sequence[Plan], cache: Path) -> None:
    """Raise UserError before the first byte where the disk cannot hold what is lacking."""
    there = next(path for path in (cache, *cache.parents) if path.exists())
    needed, free = sum(one.lacking_bytes for one in plans), shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"{needed / 1e9:.1f} GB are to be fetched and {there} has {free / 1e9:.1f} GB free; "
            "make room or set fetch.cache (or HF_HOME) to a larger disk"
        )


def bring(plan: Plan, cache: Path, config: FetchConfig, bar: Bar) -> None:
    """Fetch what is lacking, compare it with the hub's digests, and record it.

    Files that have arrived stay where it is cut off; a file that was cut off begins again."""
    reference, folder = plan.reference, plan.reference.folder(cache)
    with explained(reference, cache):
        _sweep(folder)
        place = Path(
            snapshot_download(
                reference.name, repo_type=reference.kind, revision=plan.commit, cache_dir=cache, max_workers=max(1,
                config.workers),
                allow_patterns=plan.patterns, ignore_patterns=config.exclude, tqdm_class=_forward(bar),
            )
        )  # fmt: skip
        for file in plan.lacking:
            _check(place / file.path, file, folder / "blobs")
        if len(reference.revision) != COMMIT_LENGTH:  # other tools look the commit of a branch up here
            with atomic_file(folder / "refs" / reference.revision, "w") as file:
                file.write(plan.commit)
        files = {file.path: file.size for file in plan.files}
        made = manifest.describe(
            "mirror", reference=str(reference), commit=plan.commit, patterns=plan.patterns, files=files
        )
        write_json(reference.record(cache), made)


def _check(path: Path, file: RepoFile, blobs: Path) -> None:
    """Compare a file with the digest that the hub has of it: sha256 of large files, git's blob id of small ones. In the
    cache it is a link to its bytes in ``blobs``."""
    if file.lfs:
        right, found = file.lfs.sha256, digest(path)
    else:
        data = path.read_bytes()
        right, found = file.blob_id, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    if found != right:
        blob = os.path.normpath(path.parent / path.readlink()) if path.is_symlink() else ""
        if os.path.dirname(blob) == os.path.normpath(blobs):
            remove_file(blob)
        remove_file(path)
        raise UserError(
            f"{file.path} arrived damaged ({found[:12]}, the hub has {right[:12]}) and was removed; run the same"
            " command again"
        )


def _sweep(folder: Path) -> None:
    """Remove what killed downloads left: the hub library never takes it up again."""
    for path in (folder / "blobs").glob("*.incomplete"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            remove_file(path)


def _forward(bar: Bar) -> type[hub_bar]:
    """A silent bar for the hub library that moves ours, and ends the threads of a download at Ctrl-C: they would
    otherwise finish their files before it is obeyed."""

    class Forward(hub_bar):
        def __init__(self, *arguments, **options):
            self.of_bytes = options.get("name") == "huggingface_hub.snapshot_download"
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            heed()
            if self.of_bytes:
                with self.get_lock():
                    bar.advance((n or 0) * MB)

    return Forward
