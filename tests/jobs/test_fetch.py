"""`jobs.fetch` against a hub on loopback, spoken to by the real hub library."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import constants
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from common.artefacts import Reference, missing, resolve, snapshot
from common.errors import UserError
from conf.schema import Config
from jobs import fetch
from jobs.mirror.plain import explained
from tests.hub import TOKEN, serving

ROOT = Path(__file__).resolve().parents[2]
TEXT = [{"text": f"the owner of house {number} owes the tenant {number * 3} lira"} for number in range(200)]


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def small_tokenizer() -> bytes:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([row["text"] for row in TEXT], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer.to_str().encode()


MODEL = {
    "tokenizer.json": small_tokenizer(), "tokenizer_config.json": b'{"tokenizer_class": "PreTrainedTokenizerFast"}',
    "model.safetensors": os.urandom(3_000_000), "pytorch_model.bin": b"a pickle", "modeling_own.py": b"import os",
    "README.md": b"# card",
}  # fmt: skip
SAFE = {name: data for name, data in MODEL.items() if not name.endswith((".bin", ".py"))}
DATA = {
    "README.md": b"# card",
    "data/one.jsonl": lines(TEXT[:100]),
    "data/two.jsonl": lines(TEXT[100:]),
    "load.py": b"import os",
}
TOK, INPUTS = "data.tokenizer=hf://org/tok", "data.inputs=[hf://datasets/org/text]"


@pytest.fixture
def hub(tmp_path):
    with serving() as (hub, address):
        hub.tok, hub.text = hub.commit("model", "org/tok", MODEL), hub.commit("dataset", "org/text", DATA)
        hub.home = tmp_path / "home"
        hub.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))
        }
        hub.environment |= {
            "HF_ENDPOINT": address,
            "HF_HOME": str(hub.home),
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        }
        yield hub


@pytest.fixture
def here(hub, monkeypatch):
    """The hub for this process, whose hub library has read its environment already; calls `jobs.fetch` with
    overrides."""
    address = hub.environment["HF_ENDPOINT"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(hub.home / "token"))
    return lambda *overrides: fetch.run(configured(*overrides, f"fetch.cache={hub.home}/hub"))


def configured(*overrides: str) -> Config:
    """The schema's defaults with overrides; composing the YAML takes Hydra a third of a second."""
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.from_dotlist([*overrides])))


def start(hub, job: str, *overrides: str, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", f"jobs.{job}", *overrides], cwd=ROOT, env={**hub.environment, **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # which a shell ignores in what it puts into the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def asked(hub) -> list[tuple[str, str, str]]:
    """What was requested of repositories; the hub library has other questions of its own."""
    return [request for request in hub.requests if "/org/" in request[1]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_jobs_use_offline_what_a_login_node_has_mirrored(hub, tmp_path):
    arguments = [TOK, INPUTS, f"data.tokens={tmp_path}/tokens"]
    refused = start(hub, "prepare", *arguments)
    out, err = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert re.fullmatch(
        r"error: data\.inputs: hf://datasets/org/text is not in .*; where there is internet run: (.*)\n", err
    )
    assert "python -m jobs.fetch 'data.inputs=[hf://datasets/org/text]'" in err
    assert not asked(hub)

    done = start(hub, "fetch", *arguments)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    cache = hub.home / "hub"
    tok, text = cache / "models--org--tok/snapshots" / hub.tok, cache / "datasets--org--text/snapshots" / hub.text
    assert files(tok) == {name: MODEL[name] for name in ("tokenizer.json", "tokenizer_config.json")}
    assert files(text) == {name: data for name, data in DATA.items() if name.endswith(".jsonl")}
    assert (cache / "models--org--tok/refs/main").read_text() == hub.tok

    hub.requests.clear()
    off = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
    done = start(hub, "prepare", *arguments, "dry_run=true", **off, HF_ENDPOINT="http://127.0.0.1:9")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    assert "1 shards for" in out
    assert not asked(hub)


def test_given_again_it_asks_nobody_and_a_moved_branch_only_on_request(hub, here, monkeypatch):
    first = here(TOK)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert here(TOK) == first
    assert not asked(hub)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    moved = hub.commit("model", "org/tok", MODEL | {"tokenizer_config.json": b"{}"})
    assert here(TOK) == first
    assert not asked(hub)
    assert here("fetch.models=[org/tok]")["hf://org/tok"].endswith(hub.tok), "more files, of the same commit"
    assert here(TOK, "fetch.update=true")["hf://org/tok"].endswith(moved)
    place = resolve("hf://org/tok", "data.tokenizer", hub.home / "hub")
    assert files(place) == SAFE | {"tokenizer_config.json": b"{}"}
    assert (hub.home / "hub/models--org--tok/snapshots" / hub.tok / "tokenizer.json").is_file(), (
        "queued jobs keep the former commit"
    )


def test_a_dry_run_lists_sizes_and_writes_nothing(hub, here, capsys):
    assert here("fetch.models=[org/tok]", "fetch.datasets=[org/text@main]", "fetch.include=['*']", "dry_run=true") == {}
    shown = capsys.readouterr().out
    assert re.search(r"model\.safetensors +3\.0", shown)
    assert "data/two.jsonl" in shown
    assert "pytorch_model.bin" not in shown and "modeling_own.py" not in shown and "load.py" not in shown
    assert not hub.home.exists()


def test_a_killed_fetch_goes_on(hub):
    hub.held["model.safetensors"] = 1_000_000
    arguments = ("fetch.models=[org/tok]", "fetch.workers=1")  # one file after another, in the order of the listing
    killed = start(hub, "fetch", *arguments)
    assert hub.holding.wait(90)
    cache = hub.home / "hub"
    folder = cache / "models--org--tok"
    killed.kill()
    killed.communicate(timeout=90)
    assert snapshot(Reference("model", "org/tok"), [], cache) is None
    left = list((folder / "blobs").glob("*.incomplete"))
    assert left, "the kill should have hit the large file in the middle"
    os.utime(left[0], (0, 0))
    before = {path for path in MODEL if (folder / "snapshots" / hub.tok / path).exists()}
    assert before, "some file should have arrived before"

    hub.held.clear()
    hub.requests.clear()
    done = start(hub, "fetch", *arguments)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    assert files(folder / "snapshots" / hub.tok) == SAFE
    assert not any(hub.sent(path) for path in before), "what had arrived is not fetched again"
    assert not list((folder / "blobs").glob("*.incomplete"))


def test_ctrl_c_ends_a_large_download(hub):
    hub.held["model.safetensors"] = 1_000_000
    begun = start(hub, "fetch", "fetch.models=[org/tok]")
    assert hub.holding.wait(90)
    begun.send_signal(signal.SIGINT)
    time.sleep(0.5)
    hub.release.set()  # the next bytes arrive
    out, err = begun.communicate(timeout=90)
    assert begun.returncode == 130
    assert err.rstrip().endswith("interrupted; the same command continues")
    there = files(hub.home / "hub/models--org--tok")
    assert not any(
        path.startswith("mirrored/") or path.endswith(".incomplete") or len(data) > 1_000_000
        for path, data in there.items()
    )


def test_a_connection_cut_in_the_middle_is_taken_up_there(hub, here, monkeypatch):
    monkeypatch.setattr(
        constants, "DOWNLOAD_CHUNK_SIZE", 100_000
    )  # what is kept of a cut file is a whole number of these
    hub.cut["model.safetensors"] = 1_000_000
    here("fetch.models=[org/tok]")
    ranges = hub.sent("model.safetensors")
    assert ranges == ["", "bytes=1000000-"]
    assert (resolve("hf://org/tok", cache=hub.home / "hub") / "model.safetensors").read_bytes() == MODEL[
        "model.safetensors"
    ]


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
def test_damaged_bytes_are_refused_and_fetched_again(hub, here, path):
    hub.forged[path] = bytes(len(MODEL[path]))
    with pytest.raises(UserError, match=f"{re.escape(path)} arrived damaged .* run the same command again"):
        here("fetch.models=[org/tok]")
    with pytest.raises(UserError, match="is not in"):
        resolve("hf://org/tok", cache=hub.home / "hub")
    hub.forged.clear()
    here("fetch.models=[org/tok]")
    assert (resolve("hf://org/tok", cache=hub.home / "hub") / path).read_bytes() == MODEL[path]


def test_a_gated_repository_wants_a_token_that_is_never_shown(hub, here, monkeypatch, capsys):
    hub.gated.add("org/tok")
    with pytest.raises(UserError, match=r"org/tok is gated; ask for access at .*/org/tok and set HF_TOKEN"):
        here(TOK, "dry_run=true")
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    with pytest.raises(UserError, match="with the account of HF_TOKEN") as refused:
        here(TOK)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    here(TOK)
    shown = str(refused.value) + "".join(capsys.readouterr())
    recorded = b"".join(data for path, data in files(hub.home).items())
    assert "hf_of_another" not in shown and TOKEN not in shown and TOKEN.encode() not in recorded


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["fetch.models=[org/none]"],
            "the hub has no model 'org/none', or it is private and HF_TOKEN is not set; mend the name in hf://org/none",
        ),
        (["fetch.datasets=[org/none]"], "the hub has no data set 'org/none'"),
        (
            ["fetch.models=[org/tok@v9]"],
            "org/tok has no revision 'v9'; name a branch, a tag or a commit in hf://org/tok@v9",
        ),
        (
            ["fetch.models=[gpt2]"],
            r"hf://gpt2 is no reference to the hub \(.*\); write hf://\[datasets/\]org/name\[@revision\]\[/path\]",
        ),
        (["data.tokenizer=hf://spaces/org/tok"], "names neither a model nor a data set"),
        (["data.inputs=[hf://datasets/org/text/../../x]"], "names neither a model nor a data set, nor a path in one"),
        (
            ["data.inputs=[hf://datasets/org/text/test]"],
            r"org/text has no file like test, .*; it holds README\.md, data/one\.jsonl",
        ),
    ],
)
def test_a_mistake_is_one_sentence(hub, here, overrides, message):
    with pytest.raises(UserError, match=message) as error:
        here(*overrides)
    assert "\n" not in str(error.value)
    assert not hub.home.exists()


def test_no_hub_no_network_no_disk(hub, here, monkeypatch):
    hub.claimed["model.safetensors"] = 10**18
    with pytest.raises(
        UserError, match=r"1000000000\.0 GB are to be fetched and .* GB free; make room or set fetch\.cache"
    ):
        here("fetch.models=[org/tok]")
    assert not hub.sent("tokenizer.json") and not hub.home.exists()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"http://127\.0\.0\.1:9 cannot be reached \(.*\); run this where there is internet"
    ):
        here(TOK)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE .* is set, and fetching needs the hub; unset it"):
        here(TOK)
    for number, message in (
        (errno.ENOSPC, "is full; make room"),
        (errno.EROFS, "cannot be written .*; set fetch.cache"),
    ):
        with pytest.raises(UserError, match=message), explained(Reference("model", "org/tok"), hub.home):
            raise OSError(number, os.strerror(number), str(hub.home))


def test_nothing_to_fetch(capsys):
    assert fetch.run(configured()) == {}
    assert "nothing to fetch" in capsys.readouterr().err


def test_what_is_missing_is_known_at_once_and_without_torch(hub):
    code = (
        "import sys, time; from jobs.launch.compose import compose, to_config; from common.artefacts import missing;"
        f"config = to_config(compose('train', ['{TOK}', '{INPUTS}'])); begun = time.process_time();"
        "print(missing(config), time.process_time() - begun, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=hub.environment, capture_output=True, text=True, check=True
    )
    found, seconds, torch = re.fullmatch(r"(\[.*\]) (\S+) (\w+)\n", done.stdout).groups()
    assert found == "['hf://datasets/org/text', 'hf://org/tok']"
    assert float(seconds) < 0.5
    assert torch == "False"
    assert missing(configured()) == []
