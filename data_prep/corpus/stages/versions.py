"""Raised versions: what is said where results were made by older versions of rules and algorithms."""

from collections import Counter
from collections.abc import Iterator, Sequence

from common import manifest
from common.errors import UserError
from data_prep.corpus.stages.stage import Stage, Task


def raised_versions(stage: Stage, tasks: Sequence[Task]) -> Iterator[str]:
    """Say for each rule or algorithm with another version how many of the results of ``tasks``, which are to be made,
    are of an older one."""
    former: Counter[tuple[str, int, int]] = Counter()
    for task in tasks:
        try:
            made_by = manifest.read(stage.folder / task.name).get(manifest.MADE_BY, {})
        except UserError:  # never made, or damaged
            continue
        for name, version in stage.versions(task).items():
            if name in made_by and made_by[name] != version:
                former[name, made_by[name], version] += 1
    for (name, before, now), count in former.items():
        yield (
            f"{name} is of version {now} now, and {count} of {len(stage.tasks())} results of the stage "
            f"{stage.name} were made by version "
            f"{before}: they are made again, and so are the stages after it where these change"
        )
