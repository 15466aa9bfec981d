"""The folder of `make cluster`: one that somebody else could have made, or that holds something else, is neither used
nor removed."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.dev_cluster import SCRIPTS


def script(name: str, folder: str, *arguments: str) -> subprocess.CompletedProcess:
    """A script of the cluster on ``folder``."""
    env = {
        **os.environ,
        "TERZI_CLUSTER": folder,
        "TERZI_CLUSTER_PORT": "1",
    }  # a port that is nobody's to open: nothing ever boots here
    return subprocess.run([SCRIPTS / name, *arguments], env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def other(tmp_path) -> Path:
    """A folder with a slurm.conf, such as /usr/local of a real cluster, and something dear."""
    (tmp_path / "other" / "etc").mkdir(parents=True)
    (tmp_path / "other" / "etc" / "slurm.conf").write_text("ClusterName=real\n")
    (tmp_path / "other" / "dear").write_text("dear")
    return tmp_path / "other"


@pytest.mark.parametrize("arguments", [("up.sh",), ("down.sh", "--remove")])
def test_a_folder_that_no_cluster_made_stays(other, arguments):
    name, *rest = arguments
    done = script(name, str(other), *rest)
    assert (other / "dear").read_text() == "dear" and (other / "etc" / "slurm.conf").is_file()
    assert name != "up.sh" or (
        done.returncode != 0 and ("holds other things" in done.stderr or "is missing" in done.stderr)
    )


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("arguments", [("up.sh",), ("down.sh", "--remove"), ("node.sh", "kill", "n1")])
def test_a_link_is_refused(other, tmp_path, arguments, slash):
    (tmp_path / "link").symlink_to(other)
    name, *rest = arguments
    done = script(name, f"{tmp_path}/link{slash}", *rest)
    assert (
        done.returncode != 0
        and "is a link, or not a folder of yours; set TERZI_CLUSTER to another folder" in done.stderr
    )
    assert (tmp_path / "link").is_symlink() and (other / "dear").is_file()


def test_the_folder_of_another_user_is_refused(other):
    if os.getuid():
        pytest.skip("only root gives a folder away")
    os.chown(other, pwd.getpwnam("nobody").pw_uid, -1)
    done = script("up.sh", str(other))
    assert done.returncode != 0 and "not a folder of yours" in done.stderr and (other / "dear").is_file()
