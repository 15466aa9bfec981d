"""TensorBoard's files on a full disk."""

from pathlib import Path

import pytest

from common.disk import explained
from model.training.callbacks.events import events


@pytest.mark.parametrize("scalars", [60, 400])
def test_what_the_thread_cannot_write_is_an_error_with_the_folder_and_nothing_else(
    tmp_path, file_limit, capfd, scalars
):
    """Few scalars are met at the end, when all must be on disk; many on the way, when the thread is gone."""
    with file_limit(1000), pytest.raises(OSError) as found, events(tmp_path / "tb", purge_step=0) as writer:
        for step in range(scalars):
            writer.add_scalar("loss", 1.0, step)
            if step == 10:
                writer.flush()
    assert str(explained(found.value)).startswith(f"{tmp_path}/tb cannot be written")
    assert "Traceback" not in capfd.readouterr().err


def test_other_threads_speak_as_before(tmp_path):
    import threading

    former = threading.excepthook
    with events(tmp_path / "tb") as writer:
        writer.add_scalar("loss", 1.0, 1)
    assert threading.excepthook is former and Path(next((tmp_path / "tb").iterdir())).stat().st_size > 100
