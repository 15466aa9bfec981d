"""Scans to documents, by a server that is slow, fails, and goes away; killed, and gone on with."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from common.disk import explained
from common.errors import UserError
from conf.schema import Config
from conf.schema.corpus import SourceConfig
from conf.schema.endpoint import EndpointConfig, OcrConfig
from data_prep.sources.inputs import list_inputs
from data_prep.sources.pages import PAGE_BREAK
from data_prep.sources.readers import read_documents
from jobs import ocr
from tests.data_prep.sources.papers import bound, scanned_pdf, text_pdf
from tests.model_server import image_of, model_server, text_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def arguments(server, folder):
    """The same as `read` takes, for a command."""
    fast = [
        "ocr.endpoint.wait=0.01",
        "ocr.endpoint.retries=2",
        "ocr.endpoint.concurrency=2",
        "ocr.endpoint.timeout=10",
        "ocr.dpi=72",
    ]
    return [f"ocr.inputs=['{folder}/in']", f"ocr.output={folder}/out", f"ocr.endpoint.url={server.url}", *fast]


def read(server, folder, dry_run=False, **keys):
    url = server.url if server else "http://127.0.0.1:9/v1"
    endpoint = EndpointConfig(url=url, wait=0.01, retries=2, concurrency=2, timeout=10)
    settings = {"inputs": [f"{folder}/in"], "output": f"{folder}/out", "dpi": 72} | keys
    return ocr.run(Config(ocr=OcrConfig(endpoint=endpoint, **settings), dry_run=dry_run))


def reader(body, _times):
    """Says which page it was shown, by the darkness of the image."""
    assert text_of(body).startswith("Extract")
    image = Image.open(io.BytesIO(image_of(body))).convert("L")
    return f"okunan {sum(image.histogram()[:128])}"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    parts = [text_pdf(["katman"]), scanned_pdf(["i", "iiiiii"]), text_pdf(["son"])]
    bound(parts, folder / "a" / "tez.pdf")
    bound([scanned_pdf(["iii", "", "i"])], folder / "b" / "tez.pdf")
    bound(parts[:1], folder / "c.pdf")
    (folder / "d.pdf").write_bytes(b"no pdf")
    return folder


@pytest.fixture
def scans(drawn, tmp_path):
    shutil.copytree(drawn, tmp_path / "in")
    return tmp_path


def test_pdfs_become_whole_documents_that_the_corpus_reads(scans):
    with model_server(reader) as server:
        counts = read(server, scans)
        assert counts == {
            "documents": 3, "unreadable": 1, "pages": 8, "text_layer": 3, "model": 5, "without_text": 0, "asked": 4,
        }  # fmt: skip
        assert server.came.total() == 4, "the page i is there twice, and asked once"
        files = list_inputs([f"{scans}/out"])
        documents = {d.id: d for file in files for d in read_documents(file, SourceConfig())}
        assert sorted(documents) == ["a/tez", "b/tez", "c"]
        first, second, third, fourth = documents["a/tez"].text.split(PAGE_BREAK)
        assert (first, fourth) == ("katman", "son") and second.startswith("okunan ") and second != third
        listed = json.loads((scans / "out" / "without_text.json").read_text())
        (unreadable,) = listed["pages"]
        assert (unreadable["document"], unreadable["page"]) == ("d", None) and "is not readable as PDF" in unreadable[
            "why"
        ]
        before = {file: file.read_bytes() for file in files}
        assert read(server, scans)["asked"] == 0 and server.came.total() == 4
        assert {file: file.read_bytes() for file in files} == before
        assert read(server, scans, only_without_text=False)["text_layer"] == 0 and server.came.total() == 6, (
            "katman and son"
        )


def test_files_of_others_in_the_output_stay(scans):
    (scans / "out" / "a").mkdir(parents=True)
    theirs = scans / "out" / "d.pages.json"  # d.pdf cannot be read, so that its document would go
    for said in ({"mine": "do not lose"}, ["do not lose"], {"id": "c", "stamp": 1, "settings": 2, "pages": []}):
        theirs.write_text(json.dumps(said))
        with (
            model_server(reader) as server,
            pytest.raises(UserError, match=r"d\.pages\.json was not written by jobs.ocr; move it"),
        ):
            read(server, scans)
        assert not server.came.total() and json.loads(theirs.read_text()) == said
    theirs.write_text(json.dumps({"id": "d", "stamp": 1, "settings": 2, "pages": []}))  # of an earlier run
    with model_server(reader) as server:
        read(server, scans)
    assert not theirs.exists()


def test_pages_that_stay_without_text_are_listed_and_tried_again(scans):
    trouble = {"status": 500}

    def troubled(body, times):
        said = reader(body, times)
        return "" if said.endswith(" 0") else trouble["status"] if trouble and times % 3 < 3 and said == worst else said

    with model_server(reader) as server:
        read(server, scans)
        said = [page["text"] for page in json.loads((scans / "out/a/tez.pages.json").read_text())["pages"]]
        worst = said[2]
    for file in (scans / "out").rglob("*.*"):
        file.unlink()
    with model_server(troubled) as server:
        counts = read(server, scans)
        assert (counts["model"], counts["without_text"]) == (3, 2)
        listed = json.loads((scans / "out/without_text.json").read_text())["pages"]
        assert listed[:2] == [
            {"document": "a/tez", "page": 3, "why": "status 500"},
            {"document": "b/tez", "page": 2, "why": "the model found no text"},
        ]
        assert [
            d.fields["pages_without_text"] for d in read_documents(scans / "out/a/tez.pages.json", SourceConfig())
        ] == [[3]]
        trouble.clear()
        came = server.came.total()
        counts = read(server, scans)
        assert counts["without_text"] == 1 and counts["asked"] == 1 and server.came.total() == came + 1


def test_killed_in_the_middle_it_goes_on_without_asking_again(tmp_path):
    bound([scanned_pdf(["i" * number for number in range(1, 17)])], tmp_path / "in" / "tez.pdf")
    with model_server(reader) as server:
        server.seconds = 0.05
        environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.ocr", *arguments(server, tmp_path)], env=environment, cwd=tmp_path
        )
        while server.answered.total() < 6 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        time.sleep(0.3)
        lines = [
            line
            for file in (tmp_path / "out/answers").iterdir()
            for line in file.read_bytes().splitlines(keepends=True)
        ]
        kept, answered = sum(line.endswith(b"\n") for line in lines), server.answered.total()
        assert answered - 2 <= kept and answered < 16 and not (tmp_path / "out/tez.pages.json").exists()
        counts = read(server, tmp_path)
        assert counts["asked"] == 16 - kept and counts["model"] == 16
        assert server.came.total() <= 16 + 2, "at most what was under way was asked twice"
    with model_server(reader) as server:
        whole = tmp_path / "whole"
        bound([(tmp_path / "in/tez.pdf").read_bytes()], whole / "in" / "tez.pdf")
        read(server, whole)
    first, second = (json.loads((folder / "out/tez.pages.json").read_text())["pages"] for folder in (tmp_path, whole))
    assert first == second


def test_a_changed_pdf_is_read_again(scans):
    with model_server(reader) as server:
        read(server, scans)
        bound([scanned_pdf(["neu", "i"])], scans / "in/c.pdf")
        assert read(server, scans)["asked"] == 1
        (document,) = read_documents(scans / "out/c.pages.json", SourceConfig())
        assert document.text.count("okunan") == 2


def test_mistakes_are_one_sentence(scans, capsys):
    with pytest.raises(UserError, match="127.0.0.1:9/v1 does not answer .*start it, or set ocr.endpoint.url"):
        read(None, scans)
    with pytest.raises(UserError, match="ocr.inputs is empty"):
        read(None, scans, inputs=[])
    (scans / "in" / "x").mkdir()
    (scans / "in" / "x" / "y.txt").write_text("x")
    with pytest.raises(UserError, match="holds no .pdf"):
        read(None, scans, inputs=[f"{scans}/in/x"])
    with pytest.raises(UserError, match="would both be written to tez.pages.json"):
        read(None, scans, inputs=[f"{scans}/in/a", f"{scans}/in/b"])


def test_a_dry_run_counts_and_asks_nobody(scans, capsys):
    assert read(None, scans, dry_run=True) is None
    shown = capsys.readouterr().out
    assert "a/tez" in shown and "is not readable as PDF" in shown and not (scans / "out").exists()


def test_on_a_full_disk_no_answer_is_lost_and_none_is_asked_for_twice(scans, file_limit):
    with model_server(lambda body, times: reader(body, times) + " word" * 100) as server:
        with file_limit(1000), pytest.raises(OSError) as found:
            read(server, scans)
        assert str(explained(found.value)).startswith(f"{scans}/out/answers/")
        kept = sum(
            line.endswith(b"}\n")
            for file in (scans / "out" / "answers").iterdir()
            for line in file.read_bytes().splitlines(True)
        )
        counts = read(server, scans)
        assert 0 < kept < 4 and counts["asked"] == 4 - kept and counts["documents"] == 3
        assert read(server, scans)["asked"] == 0
