"""Folders searched to the bottom, links included, each file once."""

import graphlib
import os
from collections.abc import Iterator
from pathlib import Path

from common.errors import UserError


def files_below(folder: str | Path, key: str, once: bool = True, strict: bool = True) -> list[Path]:
    """Files in and below ``folder``, links followed, hidden files and folders left out; in no order that means
    anything.

    A folder that several names lead to is searched once, under its own name where that lies below ``folder``; so is,
    with ``once``, a file (two hard links are two files). ``key`` names the folder in messages. Raises UserError for
    links that lead round in a circle, and, where ``strict``, for a dead link and for a folder that may not be read;
    else those are passed over."""
    return _Search(Path(folder), key, strict).run(once)


class _Search:
    """State of one search: what was found, and which folder leads to which."""

    def __init__(self, top: Path, key: str, strict: bool):
        self.top, self.key, self.strict = top, key, strict
        self.files: dict[str, Path] = {}
        """Files by their real path."""
        self.linked: list[Path] = []
        """Links to files."""
        self.folders: list[Path] = [top]
        """Still to be searched; those that a link leads to only after all others, so that files go by their own
        names."""
        self.links: list[Path] = []
        self.leads: dict[str, set[str]] = {}
        """Real paths of the folders and links in each folder."""
        self.by_link: dict[tuple[str, str], Path] = {}

    def run(self, once: bool) -> list[Path]:
        while self.folders or self.links:
            place = self.folders.pop() if self.folders else self.links.pop(0)
            real = os.path.realpath(place)
            if real not in self.leads:
                self.leads[real] = set()
                self._search(place, real)
                self.links.sort()
        self._refuse_circles()
        for path in sorted(self.linked):
            self.files.setdefault(os.path.realpath(path) if once else str(path), path)
        return list(self.files.values())

    def _search(self, place: Path, real: str) -> None:
        for entry in self._entries(place):
            path = place / entry.name
            if entry.is_symlink():
                self._link(path, real)
            elif entry.is_dir():
                self.folders.append(path)
                self.leads[real].add(os.path.join(real, entry.name))
            elif entry.is_file():
                self.files[os.path.join(real, entry.name)] = path

    def _entries(self, place: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(place) as entries:
                yield from (entry for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            if self.strict:
                raise UserError(f"{self.key}: the folder {place} may not be read; change its permissions") from error

    def _link(self, link: Path, real: str) -> None:
        try:
            target = os.path.realpath(link, strict=True)
        except OSError as error:
            if self.strict:
                raise UserError(f"{self.key}: {link} is a dead link; remove it") from error
            return
        if os.path.isfile(target):
            self.linked.append(link)
        elif os.path.isdir(target):
            if Path(real).is_relative_to(target):  # at once, before all that lies beside the folder is searched too
                self._refuse(link, target)
            self.links.append(link)
            self.leads[real].add(target)
            self.by_link[real, target] = link

    def _refuse_circles(self) -> None:
        try:
            graphlib.TopologicalSorter(self.leads).prepare()
        except graphlib.CycleError as error:
            circle = error.args[1]
            steps = [
                *zip(circle, circle[1:], strict=False),
                *zip(circle[1:], circle, strict=False),
            ]  # listed either way round
            step = next(step for step in steps if step in self.by_link)
            self._refuse(self.by_link[step], step[1])

    def _refuse(self, link: Path, target: str) -> None:
        raise UserError(
            f"{self.key}: the link {link} leads to {target}, from where the way leads back to it; remove it"
        )
