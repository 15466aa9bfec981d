"""Which errors are the disk's: real ones, provoked by real calls, as the system and the libraries raise them."""

import copy
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from common.claim import Claim
from common.disk import DiskError, explained, naming
from common.errors import UserError
from common.files import atomic_folder, read_json, write_json
from common.remove import ASIDE, mark, marked

FULL = Path("/dev/full")


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as info:
        action()
    return info.value


def torch_save() -> None:
    with FULL.open("wb") as file:
        torch.save(torch.zeros(100_000), file)


def tofile() -> None:
    with FULL.open("wb") as file:
        np.zeros(100_000).tofile(file)


WRITERS = {
    "open": lambda: FULL.open("wb", 0).write(b"x"),
    "closing": lambda: FULL.write_text("x"),
    "numpy": tofile,
    "torch": torch_save,
    "tokenizers": lambda: Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(FULL)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_told_with_the_path_whoever_wrote(name):
    """The system names no file to those who write, and libraries have errors of their own."""

    def write() -> None:
        with naming("runs/mine/tokens.bin"):
            WRITERS[name]()

    explanation = explained(raised(write))
    assert isinstance(explanation, DiskError) and not explanation.passing
    assert re.fullmatch(
        r"runs/mine/tokens\.bin cannot be written, for the disk is full; make room .*\(No space left on device\)",
        str(explanation),
    )


def test_paths_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("link")
    long = tmp_path / ("x" * 3000)
    for action, path, why in (
        (
            lambda: (tmp_path / "file" / "below").open(),
            tmp_path / "file" / "below",
            "goes through something that is no folder",
        ),
        (lambda: (tmp_path / "link").open(), tmp_path / "link", "leads round in a circle"),
        (lambda: tmp_path.open("wb"), tmp_path, "is a folder where a file is wanted"),
        (lambda: os.mkdir(long), str(long)[:100], "has a name longer than the file system takes"),
        (lambda: long.is_file() or os.stat(long), str(long)[:100], "has a name longer than the file system takes"),
    ):
        explanation = str(explained(raised(action)))
        assert (
            explanation.startswith(str(path))
            and why in explanation
            and len(explanation) < 600
            and "\n" not in explanation
        )


def test_of_a_copy_the_file_that_could_not_be_written_is_named(tmp_path, file_limit):
    (tmp_path / "source").write_bytes(bytes(100_000))
    with file_limit(1000):
        error = raised(lambda: shutil.copyfile(tmp_path / "source", tmp_path / "copy"))
    assert str(explained(error)).startswith(f"{tmp_path}/copy cannot be written")


def test_a_file_system_that_fails_may_pass():
    """/proc/self/mem begins with a page that cannot be read."""
    explanation = explained(raised(lambda: Path("/proc/self/mem").read_bytes()))
    assert explanation.passing and "the file system failed" in str(explanation)
    assert copy.copy(explanation).passing  # which pickles and unpickles it, as on its way to another process
    for number in (errno.ESTALE, errno.EIO):
        assert explained(OSError(number, os.strerror(number), "/nfs/a")).passing
    for number in (errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EFBIG):
        explanation = explained(OSError(number, os.strerror(number), "/nfs/a"))
        assert not explanation.passing and str(explanation).startswith("/nfs/a ")


def test_what_is_no_matter_of_a_disk_stays_a_bug(tmp_path):
    def handled() -> None:
        try:
            raise OSError(errno.EACCES, "Permission denied", "/x")
        except OSError:
            raise LookupError("a bug behind an error that was dealt with") from None

    for error in (
        raised(lambda: (tmp_path / "missing").open()),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        PermissionError(errno.EPERM, "Operation not permitted"),  # of a process
        OSError(errno.ENOTCONN, "Transport endpoint is not connected"),  # of a socket
        UserError("a.json cannot be read ([Errno 28] No space left on device)"),
        ValueError("12 requested"),
        raised(handled),
    ):
        assert explained(error) is None, error


def test_a_user_error_passes_a_name_unchanged():
    with pytest.raises(UserError, match="^key: mend it"), naming("file"):
        raise UserError("key: mend it ([Errno 28])")


def test_what_replaces_a_file_that_did_not_fit_is_whole(tmp_path, file_limit):
    write_json(tmp_path / "a.json", {"x": 1})
    with file_limit(1000), pytest.raises(OSError) as info:
        write_json(tmp_path / "a.json", {"x": "y" * 5000})
    assert str(explained(info.value)).startswith(
        f"{tmp_path}/a.json cannot be written: files may not be that large here"
    )
    with file_limit(1000), pytest.raises(OSError) as info, atomic_folder(tmp_path / "saved", "thing") as aside:
        np.save(aside / "a.npy", np.zeros(1000))
    assert str(explained(info.value)).startswith(f"{tmp_path}/saved cannot be written")
    assert read_json(tmp_path / "a.json") == {"x": 1} and [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_work_folder_is_marked_once_there_is_room(tmp_path, file_limit):
    with file_limit(1), pytest.raises(OSError):
        mark(tmp_path / "work", "merge")
    (tmp_path / "work" / f"{ASIDE}.work-1-{'a' * 8}").write_text("")  # of a process that was killed meanwhile
    mark(tmp_path / "work", "merge")
    assert marked(tmp_path / "work", "merge")


def test_a_claim_that_did_not_fit_is_nobodys(tmp_path, file_limit):
    claim = Claim(tmp_path / "claims" / "a")
    with file_limit(10), pytest.raises(OSError) as info:
        claim.take()
    assert str(explained(info.value)).startswith(f"{tmp_path}/claims/a ") and not list((tmp_path / "claims").iterdir())
    assert Claim(tmp_path / "claims" / "a").take() is None
