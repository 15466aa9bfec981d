"""Tokens equal to those of Megatron-Core's builder, whatever the number of array tasks, their order, and how often they
are killed."""

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard
from tokenizers import Tokenizer

from common.errors import UserError
from common.files import digest
from conf.schema import Config
from conf.schema.data import TokenizerConfig
from data_prep.sources.readers import read_documents
from data_prep.tokenizer.train import save, train
from data_prep.tokens.indexed import read_index
from data_prep.tokens.origins import ORIGINS, open_origins
from data_prep.tokens.settings import settings_of
from jobs import prepare
from jobs.views.document_lookup import find
from tests.jobs.validate.refusals import checked

OUTPUTS = ("tokens.bin", "tokens.idx")


def text(draw):
    words = ["kalem", "evlerde", "[MASK]", "e\u0301", "👨‍👩‍👧", "12.345", "the", "\n\n", "ğüş", "<|endoftext|>"]
    return " ".join(draw.choice(words) + f"{draw.getrandbits(32):x}" for _ in range(draw.randint(1, 30)))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    draw = random.Random(1)
    folder = tmp_path_factory.mktemp("tokenizer")
    config = TokenizerConfig(vocab_size=310)
    save(train([text(draw) for _ in range(300)], config), config, folder)
    return folder


@pytest.fixture
def config(tmp_path, tokenizer):
    """Inputs of every kind and uneven size: eight shards, one of them empty."""
    draw, folder = random.Random(2), tmp_path / "in"
    folder.mkdir()

    def rows(count):
        return "".join(json.dumps({"text": text(draw)}, ensure_ascii=False) + "\n" for _ in range(count)).encode()

    (folder / "a.jsonl").write_bytes(rows(60))
    (folder / "b.txt").write_text(text(draw), newline="")
    (folder / "c.md").write_text(" \n")
    (folder / "d.jsonl.gz").write_bytes(gzip.compress(rows(30)))
    (folder / "e.jsonl.zst").write_bytes(zstandard.compress(rows(40)) + zstandard.compress(rows(3)))
    (folder / "f.txt").write_text("\n" * 5000)
    (folder / "g.jsonl").write_bytes(rows(5) + b'{"text": ""}\n\n' + rows(2))
    config = Config()
    config.data.inputs = [str(folder)]
    config.data.tokenizer = str(tokenizer)
    config.data.tokens = str(tmp_path / "tokens")
    config.prepare.shard_bytes = 4000
    config.prepare.check_every = 7
    config.cluster.workers = 1
    return config


def peer(config, folder):
    """The inputs through another reader, `tokenizers` and Megatron-Core's builder: bytes of .bin and .idx."""
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    tokenizer = Tokenizer.from_file(f"{config.data.tokenizer}/tokenizer.json")
    tokenizer.encode_special_tokens = True
    builder = IndexedDatasetBuilder(str(folder / "peer.bin"), dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    for path in sorted(Path(config.data.inputs[0]).iterdir()):
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        elif path.suffix == ".zst":
            raw = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        whole = raw.decode()
        documents = [json.loads(row)["text"] for row in whole.split("\n") if row] if ".jsonl" in path.name else [whole]
        for document in documents:
            if document.strip():
                ids = tokenizer.encode(document).ids
                builder.add_document(np.array(ids), [len(ids)])
    builder.finalize(str(folder / "peer.idx"))
    return (folder / "peer.bin").read_bytes(), (folder / "peer.idx").read_bytes()


def tokens(config):
    return tuple(Path(config.data.tokens, name).read_bytes() for name in OUTPUTS)


def manifests(config):
    """Every shard's manifest: by its first input and where in it the shard begins."""
    found = {}
    for path in Path(config.data.tokens, "shards").glob("*/manifest.json"):
        known = json.loads(path.read_text())
        found[Path(known["inputs"][0]["path"]).name, known["inputs"][0]["start"]] = path, known
    return found


def mark(config):
    """Mark every shard that is there; returns their names."""
    for path, known in manifests(config).values():
        path.write_text(json.dumps(known | {"created": "before"}))
    return set(manifests(config))


def remade(config):
    """Names of the shards that were made since they were marked."""
    return {name for name, (_, known) in manifests(config).items() if known["created"] != "before"}


@pytest.mark.parametrize("array_size", [1, 3, 7])
@pytest.mark.parametrize("shard_bytes", [4000, 10**9])
def test_the_bytes_are_those_of_megatrons_builder(config, tmp_path, array_size, shard_bytes):
    config.prepare.array_size, config.prepare.shard_bytes = array_size, shard_bytes
    made = prepare.run(config)
    assert tokens(config) == peer(config, tmp_path)
    assert len(made["shards"]) == (1 if shard_bytes > 4000 else 8) and made["backends"] == {
        "gigatoken": len(made["shards"])
    }
    assert made["documents"] == 60 + 1 + 30 + 43 + 7 and made["empty_documents"] == 3 and made["bad_documents"] == {}
    folder = Path(config.data.tokens)
    assert made["files"] == {name: digest(folder / name) for name in OUTPUTS} and made["dtype"] == "uint16"
    assert made["tokenizer"] == digest(f"{config.data.tokenizer}/tokenizer.json") and made["vocab_size"] == 310
    whole = {path: sha for path, sha in made["inputs"].items() if not sha.startswith("spans-")}
    assert whole == {path: digest(path) for path in whole} and len(made["inputs"]) == 7
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "origins.npy",
        "settings.json",
        "shards",
        *OUTPUTS,
    ]
    assert {path.name for path in folder.glob("shards/*/*")} == {"manifest.json"}


@pytest.mark.parametrize("array_size", [1, 3])
def test_every_document_is_traced_to_its_row_and_back(config, array_size):
    """Shards that are cut out of the merged files again (all but the changed one) keep their origins too."""
    config.prepare.array_size = array_size
    prepare.run(config)
    with (Path(config.data.inputs[0]) / "a.jsonl").open("ab") as file:
        file.write(b'{"text": "appended"}\n')
    made = prepare.run(config)
    folder = Path(config.data.tokens)
    assert made["origins"]["sha256"] == digest(folder / ORIGINS)
    origins, index = open_origins(folder, made), read_index(folder / "tokens.idx")
    assert len(origins.rows) == made["documents"] == 142
    reader = Tokenizer.from_file(f"{config.data.tokenizer}/tokenizer.json")
    reader.encode_special_tokens = True
    texts = {
        (str(d.file), d.line): d.text
        for path in Path(config.data.inputs[0]).iterdir()
        for d in read_documents(path, config.data)
    }
    ids = np.fromfile(folder / "tokens.bin", index.dtype)
    for document, (offset, length) in enumerate(zip(index.offsets // 2, index.lengths, strict=True)):
        span, row = origins.of(document)
        place = str(span.path), span.lines_before + row
        assert reader.encode(texts[place]).ids == ids[offset : offset + length].tolist()
        assert origins.find(*place) == document
    assert origins.find(str(Path(config.data.inputs[0]) / "c.md"), 1) is None


def test_damaged_origins_are_made_again(config, capsys):
    prepare.run(config)
    path = Path(config.data.tokens, ORIGINS)
    right = path.read_bytes()
    mark(config)
    path.write_bytes(right[:-1] + b"x")
    prepare.run(config)
    assert path.read_bytes() == right and len(remade(config)) == 1
    path.unlink()
    prepare.run(config)
    assert path.read_bytes() == right and "origins.npy is gone" in capsys.readouterr().err


def test_a_folder_made_before_origins_were_kept_is_read_and_mended_once_it_changes(config, tmp_path):
    prepare.run(config)
    folder = Path(config.data.tokens)
    (folder / ORIGINS).unlink()
    for path in folder.rglob("manifest.json"):
        known = json.loads(path.read_text())
        known.pop("origins", None)
        known["files"].pop(ORIGINS, None)
        known.get("output_stamps", {}).pop(ORIGINS, None)
        known["shards"] = [
            {name: shard[name] for name in ("key", "documents", "tokens")} for shard in known.get("shards", [])
        ]
        path.write_text(json.dumps(known))
    mark(config)
    old = prepare.run(config)
    assert not remade(config) and open_origins(folder, old) is None
    with (Path(config.data.inputs[0]) / "a.jsonl").open("ab") as file:
        file.write(b'{"text": "appended"}\n')
    made = prepare.run(config)
    assert tokens(config) == peer(config, tmp_path) and len(open_origins(folder, made).rows) == made["documents"]


def test_megatron_reads_the_documents(config):
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    prepare.run(config)
    dataset = IndexedDataset(f"{config.data.tokens}/tokens")
    assert all(ids[0] == 2 and ids[-1] == 3 and not set(ids[1:-1].tolist()) & {0, 1, 2, 3, 4} for ids in dataset)


def test_spawned_array_tasks_give_the_same_bytes(config, tmp_path):
    config.prepare.array_size, config.cluster.workers = 3, 2
    prepare.run(config)
    assert tokens(config) == peer(config, tmp_path)


def test_the_order_in_which_array_tasks_end_does_not_matter(config, tmp_path):
    """Each array task alone and in reversed order, as an array on a cluster may end; then the job finds them all
    there."""
    from data_prep.sources.inputs import list_inputs
    from data_prep.sources.shards import groups, plan_shards
    from data_prep.tokens.merge import Merged
    from data_prep.tokens.tokenise import ShardGroup, TokeniseWork, run_shard_group

    settings = settings_of(config)
    work = TokeniseWork(
        Path(config.data.tokens),
        config.data,
        config.prepare,
        settings,
        310,
        [2],
        [3],
        Merged(Path(config.data.tokens), None),
    )
    for group in reversed(groups(plan_shards(list_inputs(config.data.inputs), 4000), 7)):
        run_shard_group(ShardGroup(work, list(reversed(group))), Silent())
    mark(config)
    prepare.run(config)
    assert tokens(config) == peer(config, tmp_path) and not remade(config)


class Silent:
    def advance(self, amount):
        pass

    def say(self, message):
        pass


def test_a_finished_folder_is_left_alone_at_once(config, capsys):
    made = prepare.run(config)
    before = [Path(config.data.tokens, name).stat().st_mtime_ns for name in (*OUTPUTS, "manifest.json")]
    started = time.monotonic()
    config.prepare.array_size, config.prepare.shard_bytes = 5, 700  # change nothing about the result
    assert prepare.run(config) == made
    assert time.monotonic() - started < 1
    assert [Path(config.data.tokens, name).stat().st_mtime_ns for name in (*OUTPUTS, "manifest.json")] == before
    assert "is there: 141 documents" in capsys.readouterr().err


def test_a_new_time_of_an_input_costs_a_digest_and_no_merge(config):
    made = prepare.run(config)
    mark(config)
    before = Path(config.data.tokens, "tokens.bin").stat().st_mtime_ns
    (Path(config.data.inputs[0]) / "b.txt").touch()
    again = prepare.run(config)
    assert again["files"] == made["files"] and Path(config.data.tokens, "tokens.bin").stat().st_mtime_ns == before
    assert not remade(config) and again["stamps"] != made["stamps"]
    assert prepare.run(config) == again


@pytest.mark.parametrize("finished", [True, False])
def test_a_changed_input_is_done_again_and_nothing_else(config, tmp_path, finished, capsys):
    prepare.run(config) if finished else interrupted(config)
    before = mark(config)
    with (Path(config.data.inputs[0]) / "a.jsonl").open("ab") as file:
        file.write(b'{"text": "appended"}\n')
    (Path(config.data.inputs[0]) / "d.jsonl.gz").write_bytes(gzip.compress(b'{"text": "replaced"}\n'))
    prepare.run(config)
    assert tokens(config) == peer(config, tmp_path)
    last = max(name for name in before if name[0] == "a.jsonl")
    assert remade(config) == {last, ("b.txt", 0)}
    assert "d.jsonl.gz has changed; tokenising it again" in capsys.readouterr().err


def interrupted(config):
    """All shards are made, and the merge is not."""
    from data_prep.sources.inputs import list_inputs
    from data_prep.sources.shards import plan_shards
    from data_prep.tokens.merge import Merged
    from data_prep.tokens.state import begin
    from data_prep.tokens.tokenise import ShardGroup, TokeniseWork, run_shard_group

    settings = settings_of(config)
    folder = Path(config.data.tokens)
    folder.mkdir()
    begin(folder, settings)
    work = TokeniseWork(
        folder, config.data, config.prepare, settings, 310, [2], [3], Merged(Path(config.data.tokens), None)
    )
    run_shard_group(
        ShardGroup(work, plan_shards(list_inputs(config.data.inputs), config.prepare.shard_bytes)), Silent()
    )


def test_an_input_that_comes_or_goes(config, tmp_path):
    prepare.run(config)
    mark(config)
    (Path(config.data.inputs[0]) / "e.jsonl.zst").unlink()
    (Path(config.data.inputs[0]) / "dd.txt").write_text("new " * 1000)
    prepare.run(config)
    assert tokens(config) == peer(config, tmp_path)
    assert remade(config) == {("dd.txt", 0)} and ("e.jsonl.zst", 0) not in manifests(config)


def test_what_it_did_not_write_among_the_shards_stays(config, tmp_path):
    prepare.run(config)
    shards = Path(config.data.tokens, "shards")
    gone, _ = manifests(config)["e.jsonl.zst", 0]
    (shards / "mine").mkdir()
    (shards / "mine" / "tokens.bin").write_text("do not lose")
    shutil.copytree(gone.parent, shards / "backup")  # a shard, under a name that is none
    shutil.copytree(gone.parent, tmp_path / "theirs")
    (shards / "linked").symlink_to(tmp_path / "theirs")
    kept = next(home for home, _ in manifests(config).values() if home.parent.parent == shards and home != gone).parent
    (kept / "notes.txt").write_text("do not lose")
    (Path(config.data.inputs[0]) / "e.jsonl.zst").unlink()
    prepare.run(config)
    assert not gone.exists()  # no longer in the plan, and ours
    (notes,) = shards.glob(
        f"{kept.name}*/notes.txt"
    )  # where the shard is made again, what it held is put beside it, and told
    assert (shards / "mine" / "tokens.bin").read_text() == notes.read_text() == "do not lose"
    assert (shards / "backup" / "manifest.json").exists() and (shards / "linked" / "manifest.json").exists()
    prepare.run(config)  # finished: this too removes what a kill left
    assert (shards / "mine" / "tokens.bin").exists() and (tmp_path / "theirs" / "manifest.json").exists()


def test_shards_behind_a_link_stay(config, tmp_path):
    prepare.run(config)
    gone, _ = manifests(config)["e.jsonl.zst", 0]
    gone.parent.rename(tmp_path / gone.parent.name)
    gone.parent.symlink_to(tmp_path / gone.parent.name)
    (Path(config.data.inputs[0]) / "e.jsonl.zst").unlink()
    prepare.run(config)
    assert (tmp_path / gone.parent.name / "manifest.json").exists() and gone.parent.is_symlink()


def test_a_folder_of_others_is_refused(config):
    folder = Path(config.data.tokens)
    (folder / "shards" / "mine").mkdir(parents=True)
    (folder / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserError, match="tokens holds files that jobs.prepare did not write"):
        prepare.run(config)
    assert sorted(path.name for path in folder.iterdir()) == ["shards", "thesis.txt"]
    (folder / "thesis.txt").unlink()
    prepare.run(config)
    assert (folder / "shards" / "mine").is_dir()


@pytest.mark.parametrize("name", ["tokens.bin", "tokens.idx"])
@pytest.mark.parametrize("where", [0, 0.15, 0.5, 1])
def test_damaged_tokens_are_made_again_alone(config, name, where, capsys):
    prepare.run(config)
    right = tokens(config)
    mark(config)
    path = Path(config.data.tokens, name)
    raw = bytearray(path.read_bytes())
    raw[int(where * (len(raw) - 1))] ^= 1
    path.write_bytes(raw)
    prepare.run(config)
    assert tokens(config) == right
    assert f"{name} is damaged" in capsys.readouterr().err
    assert len(remade(config)) == (
        1 if name == "tokens.bin" or where == 0.15 else 0
    )  # of the index, the lengths alone cannot be told from the rest


def test_a_damaged_shard_is_made_again(config, tmp_path, capsys):
    interrupted(config)
    mark(config)
    homes = sorted(Path(config.data.tokens, "shards").iterdir())
    (homes[0] / "tokens.bin").write_bytes(b"xx")
    (homes[1] / "tokens.idx").unlink()
    (homes[2] / "manifest.json").write_text("{")
    (homes[3] / "manifest.json").unlink()
    prepare.run(config)
    assert tokens(config) == peer(config, tmp_path)
    assert len(remade(config)) == 4
    told = capsys.readouterr().err
    assert all(why in told for why in ("its tokens.bin is damaged", "its tokens are gone", "its manifest is damaged"))


def test_bad_documents(config):
    path = Path(config.data.inputs[0]) / "a.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:50], b"{broken", b'{"body": 1}', *lines[50:]]))
    with pytest.raises(UserError, match="a.jsonl line 51 is not valid JSON"):
        prepare.run(config)
    assert not Path(config.data.tokens, "manifest.json").exists()
    config.prepare.on_bad_document = "skip"
    made = prepare.run(config)
    assert made["bad_documents"] == {"invalid_json": 1, "no_text": 1} and "a.jsonl line 52" in made["bad_examples"][1]
    assert made["documents"] == 141
    config.prepare.on_bad_document = "error"
    with pytest.raises(UserError, match="a.jsonl line 51"):
        prepare.run(config)


def test_linked_folders_are_inputs(config, tmp_path):
    finished = prepare.run(config)
    (tmp_path / "store").mkdir()
    (tmp_path / "store/a.jsonl").write_text('{"text": "kalem"}\n')
    folder = Path(config.data.inputs[0])
    for name in ("h", "i"):
        (folder / name).symlink_to("../store")
    made = prepare.run(config)
    assert made["documents"] == finished["documents"] + 1 and [*made["inputs"]] == [
        *finished["inputs"],
        f"{folder}/h/a.jsonl",
    ]
    (folder / "i").unlink()
    (folder / "i").symlink_to("..")
    with pytest.raises(
        UserError, match=r"^data.inputs: the link .*/in/i leads to .*, from where the way leads back to it; remove it$"
    ):
        prepare.run(config)


def test_what_is_longer_than_a_document_may_be_is_bad_until_the_limit_is_raised(config):
    """A .jsonl and a .txt that unpack to a thousand times their size."""
    folder, finished = Path(config.data.inputs[0]), prepare.run(config)
    (folder / "h.jsonl.zst").write_bytes(
        zstandard.compress(b'{"text": "kalem"}\n{"text": "' + b"x " * 400_000 + b'"}\n{"text": "son"}\n')
    )
    (folder / "i.txt.gz").write_bytes(gzip.compress(b"y " * 400_000))
    config.data.max_document_bytes = 500_000
    with pytest.raises(
        UserError, match="h.jsonl.zst line 2 has more than data.max_document_bytes=500000 bytes; mend it, or pass over"
    ):
        prepare.run(config)
    config.prepare.on_bad_document = "skip"
    made = prepare.run(config)
    assert made["documents"] == finished["documents"] + 2 and made["bad_documents"] == {"too_long": 2}
    place = find(Path(config.data.tokens), f"{folder}/h.jsonl.zst:3", config.data)
    assert place.document.text == "son" and place.position == made["documents"] - 1
    config.data.max_document_bytes = 1_000_000
    made = prepare.run(config)
    assert made["documents"] == finished["documents"] + 4 and not made["bad_documents"]
    place = find(Path(config.data.tokens), str(made["documents"] - 2), config.data)
    assert place.document.text == "son", "numbered as when it was tokenised"
    assert prepare.run(config) == made


def test_the_limit_of_bad_documents_holds_over_all_shards(config):
    for name in ("a.jsonl", "g.jsonl"):
        path = Path(config.data.inputs[0]) / name
        path.write_bytes(path.read_bytes() + b"x\nx\n")
    config.prepare.on_bad_document, config.prepare.array_size = "skip", 7
    config.prepare.max_bad_documents = 3
    with pytest.raises(
        UserError, match="4 bad documents, more than prepare.max_bad_documents=3, such as: .*a.jsonl line 61"
    ):
        prepare.run(config)
    config.prepare.max_bad_documents = 4
    assert prepare.run(config)["bad_documents"] == {"invalid_json": 4}


def test_other_settings_are_refused(config, tmp_path):
    prepare.run(config)
    right = tokens(config)
    for section, key, value in (("prepare", "add_special_tokens", False), ("data", "text_field", "body")):
        setattr(getattr(config, section), key, value)
        with pytest.raises(
            UserError, match=f"was begun with {key}=.*, now {key}={value}; choose another data.tokens or remove"
        ):
            prepare.run(config)
        setattr(getattr(config, section), key, {"add_special_tokens": True, "text_field": "text"}[key])
    other = tmp_path / "other"
    other.mkdir()
    (other / "tokenizer.json").write_text(Path(config.data.tokenizer, "tokenizer.json").read_text() + " ")
    config.data.tokenizer = str(other)
    with pytest.raises(UserError, match="was begun with another tokenizer"):
        prepare.run(config)
    assert tokens(config) == right


def test_what_cannot_be_is_named_before_anything_is_written(config, tmp_path):
    for section, key, value, message in (
        ("prepare", "array_size", 0, "prepare.array_size=0"),
        ("prepare", "shard_bytes", 0, "prepare.shard_bytes=0"),
        ("data", "tokenizer", str(tmp_path / "none"), "run jobs.tokenizer first"),
        ("data", "inputs", [str(tmp_path / "none")], "does not exist"),
    ):
        before = getattr(getattr(config, section), key)
        setattr(getattr(config, section), key, value)
        with pytest.raises(UserError, match=message):
            checked("prepare", prepare.run, config)
        setattr(getattr(config, section), key, before)
    assert not Path(config.data.tokens).exists()
    config.data.inputs = [str(Path(config.data.inputs[0]) / "c.md")]
    with pytest.raises(UserError, match="holds no document with text"):
        prepare.run(config)


def test_a_dry_run_shows_the_plan_and_writes_nothing(config, capsys):
    config.dry_run, config.prepare.array_size = True, 3
    assert prepare.run(config) is None
    (Path(config.data.inputs[0]) / "h.docx").write_text("not read")
    assert prepare.run(config) is None
    shown, said = capsys.readouterr()
    assert "8 shards" in shown and "to do" in shown and " bytes " in shown
    assert "data.inputs: files of kinds that are not read: 1 .docx; such as" in said and said.count("not read") == 1
    assert not Path(config.data.tokens).exists()


def test_adoption(config, tmp_path):
    peer(config, tmp_path)
    config.prepare.adopt = str(tmp_path / "peer")
    made = prepare.run(config)
    assert tokens(config) == ((tmp_path / "peer.bin").read_bytes(), (tmp_path / "peer.idx").read_bytes())
    assert (made["kind"], made["documents"], made["vocab_size"]) == ("tokens", 141, 310)
    assert made["files"] == {name: digest(Path(config.data.tokens, name)) for name in OUTPUTS}
    assert prepare.run(config) == made
    config.prepare.adopt = None
    with pytest.raises(UserError, match="was begun with adopt="):
        prepare.run(config)


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_adopted_pair_with_an_empty_document_says_so_and_leaves_nothing(config, tmp_path, dry_run):
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(str(tmp_path / "peer.bin"), dtype=np.uint16)
    for lengths in ([5], [], [7]):
        builder.add_document(np.arange(sum(lengths)), lengths)
    builder.finalize(str(tmp_path / "peer.idx"))
    config.prepare.adopt, config.dry_run = str(tmp_path / "peer"), dry_run
    with pytest.raises(
        UserError, match=r"peer.idx holds an empty document \(1 of 3 documents, the first of them number 2\)"
    ):
        prepare.run(config)
    assert not Path(config.data.tokens).exists()


def test_tokens_of_others_are_not_overwritten(config, tmp_path):
    folder = Path(config.data.tokens)
    folder.mkdir()
    (folder / "tokens.bin").write_bytes(b"precious")
    with pytest.raises(UserError, match="did not write; adopt them with prepare.adopt"):
        prepare.run(config)
    peer(config, tmp_path)
    config.prepare.adopt = str(tmp_path / "peer")
    with pytest.raises(UserError, match="did not write"):
        prepare.run(config)
    assert (folder / "tokens.bin").read_bytes() == b"precious"
    for name in OUTPUTS:
        (folder / name).write_bytes((tmp_path / f"peer{name[6:]}").read_bytes())
    config.prepare.adopt = str(folder / "tokens")  # where they lie
    assert prepare.run(config)["documents"] == 141


def test_a_fallback_is_loud_and_recorded(config, tmp_path, capsys):
    """A token that is listed twice, once as a special one: gigatoken finds what `tokenizers` does not (see
    test_bulk)."""
    listed = json.loads(Path(config.data.tokenizer, "tokenizer.json").read_text())
    token = {
        "id": 300,
        "content": "lem",
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    listed["added_tokens"] += [token, token | {"special": False}]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(listed))
    config.data.tokenizer = str(tmp_path / "other")
    config.prepare.check_every = 1
    made = prepare.run(config)
    told = capsys.readouterr().err
    assert "gigatoken gives other ids than tokenizers for" in told and "tiktoken does not serve this tokenizer" in told
    assert made["backends"].get("tokenizers", 0) >= 5 and any(
        "gigatoken gives other ids" in reason for reason in made["passed_over"]
    )
    assert tokens(config) == peer(config, tmp_path)


HERE = Path(__file__).parent


def start(script, config, *arguments):
    command = [
        sys.executable,
        HERE / script,
        config.data.inputs[0],
        config.data.tokenizer,
        config.data.tokens,
        *map(str, arguments),
    ]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("finished", [pytest.param(False, marks=pytest.mark.long), True])
def test_killed_before_any_step_on_disk_the_same_command_ends_with_the_same_bytes(config, tmp_path, finished):
    """SIGKILL before the n-th file is opened for writing, renamed or removed, for every seventh n; then the command
    again.

    Once from nothing, once over a finished folder whose input has changed since (there, shards are cut out of the
    merged files)."""
    folder = Path(config.data.tokens)
    folder.mkdir()
    if finished:
        prepare.run(config)
        with (Path(config.data.inputs[0]) / "a.jsonl").open("ab") as file:
            file.write(b'{"text": "appended"}\n')
        (Path(config.data.inputs[0]) / "e.jsonl.zst").unlink()
    folder.rename(f"{folder}.before")
    out, _ = start("kill_prepare.py", config, 1 + finished, 7).communicate(timeout=280)
    config.data.tokens = str(tmp_path / "whole")
    prepare.run(config)
    right = " ".join(
        digest_of_bytes(part) for part in (*peer(config, tmp_path), Path(config.data.tokens, ORIGINS).read_bytes())
    )
    lines = out.splitlines()
    assert len(lines) > 8 and lines[-1].startswith("ran through") and lines[-1].endswith(right)
    assert [line for line in lines[:-1] if line != f"killed, then {right}"] == []


def digest_of_bytes(data):
    return hashlib.sha256(data).hexdigest()


def test_killed_at_random_moments_with_array_tasks_in_processes(config, tmp_path):
    draw = random.Random(3)
    for seconds in (draw.uniform(0.3, 3) for _ in range(4)):
        process = start("run_prepare.py", config, 3, 2)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    process = start("run_prepare.py", config, 3, 2)
    assert process.wait(240) == 0
    assert tokens(config) == peer(config, tmp_path)
    folder = Path(config.data.tokens)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "origins.npy",
        "settings.json",
        "shards",
        *OUTPUTS,
    ]


def test_tokens_of_other_files_are_not_replaced_and_files_that_come_and_go_are_said(config, tmp_path, capsys):
    folder = Path(config.data.inputs[0])
    made = prepare.run(config)
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "another corpus"}\n')
    before = tokens(config)
    config.data.inputs = [str(other)]
    for dry_run in (True, False):
        config.dry_run = dry_run
        with pytest.raises(UserError, match="holds the tokens of other files .*; choose another name or data.tokens"):
            prepare.run(config)
    assert tokens(config) == before
    config.data.inputs = [str(folder), str(other)]
    capsys.readouterr()
    grown = prepare.run(config)
    assert grown["documents"] == made["documents"] + 1
    assert f"new in the text: {other}" in capsys.readouterr().err
    config.data.inputs = [os.path.relpath(folder)]  # the same files by another name
    assert prepare.run(config)["documents"] == made["documents"]
