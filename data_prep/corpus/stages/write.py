"""Stage 6, shard by shard: the documents that stay, without repeated paragraphs and personal data."""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from common import manifest
from common.errors import UserError
from common.files import digest, fsync_folder, make_folder, put_in_place, read_json, write_json
from common.progress import ProgressReport, say
from common.remove import remove_file
from data_prep.corpus.stages.compare import Clusters, Paragraphs, Semantic
from data_prep.corpus.stages.curate import BATCH_CHARACTERS, COUNTS, DROPPED, KEPT, SIZES
from data_prep.corpus.stages.last_steps import LastSteps, Tools
from data_prep.corpus.stages.stage import STAGES, CorpusWork, Stage, Task
from data_prep.corpus.stages.verdicts import Verdicts
from data_prep.dedup import paragraphs
from data_prep.pii import anonymise
from data_prep.records.record import Record, from_line, to_line
from data_prep.records.zst import Writer, read

DOCUMENTS = "documents"
OURS = "ours.json"
"""Names of all documents that a corpus was ever to write, before it writes them."""


class Write(Stage):
    """Writes documents/<source>/<number>.jsonl.zst."""

    name, version = "write", 1
    small = 100.0

    def __init__(
        self,
        work: CorpusWork,
        before: Stage,
        clusters: Clusters,
        semantic: Semantic | None,
        repeated: Paragraphs | None,
    ):
        super().__init__(work, before)
        self.curate, self.clusters, self.semantic, self.paragraphs = clusters.curate, clusters, semantic, repeated
        self.tools: dict[str, Tools] = {}

    def settings(self) -> dict[str, Any]:
        """Return what is done to documents that stay."""
        profiles = {code: dataclasses.asdict(profile.pii) for code, profile in self.work.plan.languages.items()}
        return {
            "pii": profiles if self.work.config.pii else None,
            "min_words_left": self.work.config.paragraphs.min_words_left,
        }

    def versions(self, task: Task) -> dict[str, int]:
        """Return the versions of what changes the documents that stay, too."""
        config = self.work.config
        changing = {
            "paragraph keys": (config.paragraphs.enabled, paragraphs.VERSION),
            "personal data": (config.pii, anonymise.VERSION),
        }
        return super().versions(task) | {name: version for name, (used, version) in changing.items() if used}

    def tasks(self) -> list[Task]:
        """A task a shard."""
        return self.curate.tasks()

    def target(self, task: Task) -> Path:
        """Return the file that the documents of a shard go to."""
        unit = self.curate.units[task.name]
        return self.work.output / DOCUMENTS / unit.source / f"{unit.number:05d}.jsonl.zst"

    @property
    def claims(self) -> Path:
        """File that `claim` writes."""
        return self.folder / OURS

    def claim(self) -> None:
        """Note which files are this corpus's to write, and later to remove. Raises UserError where one is there already
        and is not."""
        output = self.work.output
        if output.is_dir() and any(output.iterdir()) and not (output / STAGES).is_dir():
            raise UserError(
                f"{output} holds files that jobs.corpus did not write; choose another corpus.output, or move them"
            )
        ours, wanted = self.ours(), {str(self.target(task).relative_to(output)) for task in self.tasks()}
        for name in sorted(wanted - ours):
            if os.path.lexists(output / name):
                raise UserError(
                    f"{output / name} was not written by jobs.corpus; move it, or choose another corpus.output"
                )
        write_json(self.claims, sorted(ours | wanted))

    def ours(self) -> set[str]:
        """Read what `claim` has noted until now."""
        return set(read_json(self.claims)) if self.claims.is_file() else set()

    def drop_former(self) -> None:
        """Remove documents of inputs that are not read any more, so that nobody trains on them. Others' files, and
        links, stay."""
        output, ours = self.work.output, self.ours()
        current = {self.target(task) for task in self.tasks()}
        for path in sorted((output / DOCUMENTS).glob("*/*.jsonl.zst")):
            if path in current or path.parent.is_symlink():
                continue
            if str(path.relative_to(output)) in ours:
                remove_file(path)
                fsync_folder(path.parent)
            else:
                say(
                    f"warning: {path} was not written by jobs.corpus; it stays there, and whoever reads the documents"
                    " reads it too"
                )

    def find(self, task: Task) -> dict[str, Any] | None:
        """Return the manifest of a whole unit, as for every stage; the documents must be there too."""
        unit_manifest, target = super().find(task), self.target(task)
        return (
            unit_manifest
            if unit_manifest and target.exists() and target.stat().st_size == unit_manifest["documents_size"]
            else None
        )

    def steps(self) -> list[str]:
        """Names of its steps, in order."""
        config = self.work.config
        switches = [("duplicates/exact", config.duplicates.exact), ("duplicates/near", config.duplicates.near)]
        switches += [
            ("duplicates/semantic", config.semantic.enabled),
            ("paragraphs", config.paragraphs.enabled),
            ("pii", config.pii),
        ]
        return [name for name, wanted in switches if wanted]

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Write the documents of one shard."""
        number = list(self.curate.units).index(task.name)
        first, last = map(int, self.curate.firsts()[number : number + 2])
        source, home = self.curate.units[task.name].source, self.curate.folder / task.name
        verdicts = Verdicts(self.clusters, self.semantic, self.paragraphs, first, last)
        profile, config = self.work.plan.profile(source), self.work.config
        if profile.code not in self.tools:
            self.tools[profile.code] = Tools(config, profile, report.say)
        steps = LastSteps(self.tools[profile.code], config, self.steps(), verdicts, np.load(home / SIZES))
        with Writer(folder / DOCUMENTS) as kept, Writer(folder / DROPPED) as dropped:

            def drop(row: int, record: Record, reason: str, other: int | None) -> None:
                note = {
                    "id": record.id,
                    "file": record.file,
                    "line": record.line,
                    "reason": reason,
                    "document": first + row,
                }
                dropped.write(
                    orjson.dumps(note if other is None else note | {"repeats": other}, option=orjson.OPT_APPEND_NEWLINE)
                )

            for rows in _batches(read(home / KEPT)):
                for record in steps.pass_through(rows, drop):
                    kept.write(to_line(record))
                report.advance(task.size * len(rows) / max(1, last - first))
        counts = {"source": source, "unit": task.name, "read": last - first, "kept": steps.kept}
        write_json(
            folder / COUNTS, counts | {"found": {"pii": dict(sorted(steps.found.items()))}, **steps.tally.fields()}
        )
        made = {"documents_sha256": digest(folder / DOCUMENTS), "documents_size": (folder / DOCUMENTS).stat().st_size}
        remove_file(self.work.output / manifest.NAME)  # the corpus that it describes is no more
        _publish(folder / DOCUMENTS, self.target(task))
        return made | {"kept": steps.kept}


def _publish(made: Path, target: Path) -> None:
    make_folder(target.parent)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    put_in_place(made, target)


def _batches(lines: Iterable[bytes]) -> Iterator[list[tuple[int, Record]]]:
    batch: list[tuple[int, Record]] = []
    size = 0
    for row, line in enumerate(lines):
        batch.append((row, from_line(line)))
        size += len(line)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
