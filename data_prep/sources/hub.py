"""Data sets streamed by the library `datasets`: ``hub:name[,config[,split]]``, where name is a data set of the hub or a
local folder.

Each shard of the data set is a unit of work, and an input of its own: ``hub:name,config,split,00002-of-00016``.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import digest_of

SCHEME = "hub:"


@dataclass(frozen=True)
class Place:
    """A split of a data set, or one shard of it."""

    name: str
    config: str
    split: str
    shard: int = 0
    shards: int = 1

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read ``hub:name[,config[,split[,shard-of-shards]]]``; the split is train where none is given. Raises
        UserError."""
        parts = text.removeprefix(SCHEME).split(",")
        numbers = parts[3].split("-of-") if len(parts) == 4 else ["0", "1"]
        if not parts[0] or len(parts) > 4 or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
            raise UserError(f"{text} is no data set; write {SCHEME}name[,config[,split]]")
        config, split = (*parts[1:3], "", "")[:2]
        return cls(parts[0], config, split or "train", *map(int, numbers))

    def path(self, shard: int, shards: int) -> Path:
        """Path of one shard of the split, as an input."""
        return Path(f"{SCHEME}{self.name},{self.config},{self.split},{shard:05}-of-{shards:05}")


def is_hub(path: str | Path) -> bool:
    """Check whether an input is a data set and no file."""
    return str(path).startswith(SCHEME)


def hub_shards(text: str) -> list[Path]:
    """The shards of ``hub:...`` as inputs, in order. Raises UserError where the data set cannot be opened."""
    place = Place.parse(text)
    count = open_split(place.name, place.config, place.split)[0].num_shards
    return [place.path(shard, count) for shard in range(count)]


def hub_stamp(path: str | Path) -> list[int]:
    """Stamp of a data set, as `inputs.stamp` is of a file: no size, and a number that changes with the data set's files
    (commit, time of change)."""
    place = Place.parse(str(path))
    return [0, open_split(place.name, place.config, place.split)[1]]


@lru_cache(maxsize=16)
def open_split(name: str, config: str, split: str) -> tuple[Any, int]:
    """The streamed split, and a number for the state of its files."""
    import datasets

    try:
        builder = datasets.load_dataset_builder(
            str(Path(name).expanduser()) if Path(name).exists() else name, config or None
        )
        files = (builder.config.data_files or {}).get(split)
        state = digest_of(
            [str(files), [list(map(str, metadata)) for metadata in getattr(files, "origin_metadata", [])]]
        )
        return builder.as_streaming_dataset(split=split), int(state[:15], 16)
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        what = f"{SCHEME}{name} (configuration {config or 'default'}, split {split})"
        raise UserError(f"{what} cannot be opened ({why}); mind its name, or mirror it with jobs.fetch") from error
