"""Wrong command lines, as people write them: one sentence in our own words, status 2, nothing left behind, and the mend
it names works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py") if "\n    main(" in path.read_text())
FOREIGN = re.compile(
    r"hydra|omegaconf|submitit|argparse|usage:|traceback|ListConfig|DictConfig|full_key|object_type|viable|mismatched",
    re.I,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """The project with a conf/ of its own, into which experiments can be written."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("conf", "jobs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("common", "data_prep", "model", "slurm"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def server(tree) -> Iterator[subprocess.Popen]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "HYDRA"))} | {
        "PYTHONPATH": str(tree)
    }
    script = [sys.executable, str(Path(__file__).with_name("many_commands.py"))]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=tree
    ) as process:
        yield process
        process.stdin.close()


Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(server, tmp_path) -> Run:
    """``run(job, *arguments, **environment)`` in an empty folder: status, out, err, and what is there afterwards."""

    def run(job: str, *arguments: str, **env: str) -> SimpleNamespace:
        cwd = tmp_path / "cwd"
        cwd.mkdir(exist_ok=True)
        print(
            json.dumps({"job": job, "arguments": arguments, "cwd": str(cwd), "env": env}), file=server.stdin, flush=True
        )
        answer = json.loads(server.stdout.readline())
        return SimpleNamespace(**answer, left=[str(path) for path in cwd.rglob("*")])

    return run


def refused(run: Run, job: str, *arguments: str, **env: str) -> str:
    """The one sentence of a command that is refused."""
    ended = run(job, *arguments, **env)
    assert ended.status == 2, ended.err
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1, ended.err
    assert (ended.out, ended.left) == ("", [])
    own_words = ended.err
    for argument in arguments:  # what the user wrote may stand in it
        own_words = (
            own_words.replace(argument, "").replace(argument.partition("=")[0], "")
            if argument.strip("-")
            else own_words
        )
    assert not FOREIGN.search(own_words), ended.err
    return ended.err


WRONG = [
    # a list given as one text, and other kinds of values than the key takes
    ("data.inputs=my/folder", "data.inputs=['my/folder']"),
    ("data.inputs=my folder/a", "data.inputs=['my folder/a']"),
    ("data.inputs=it's/a", 'data.inputs=["it\'s/a"]'),
    ("data.inputs=a,b", "data.inputs=['a','b']"),
    ("data.inputs={a: b}", "data.inputs=['b']"),
    ("data.inputs=[[a]]", "data.inputs=['a']"),
    ("data.inputs=null", "data.inputs=[]"),
    ("data.inputs[0]=a", "data.inputs=['a']"),
    ("corpus.sources.web.inputs=a/b", "corpus.sources.web.inputs=['a/b']"),
    ("corpus.sources.web=a/b", "corpus.sources.web.inputs=['a/b']"),
    ("data.validation=my/law", "data.validation.law=my/law"),
    ("data.validation={law: [a]}", "data.validation.law=a"),
    ("data.validation={law}", "data.validation.law=law"),
    ("phases=[main]", "phases.main.tokens="),
    ("phases.main=5", "phases.main.tokens=5"),
    ("phases.main.weights=[a]", "phases.main.weights.a=1.0"),
    ("train.steps=many", "train.steps="),
    ("train.steps=10k", "train.steps="),
    ("train.steps=1e3", "1000"),
    ("train.steps=null", "train.steps="),
    ("optim.schedule.decay_share=20%", "optim.schedule.decay_share=0.2"),
    ("model=encoder/small", "encoder/tiny"),
    ("train.steps=1,000", "train.steps=1000"),
    ("optim.lr=fast", "optim.lr="),
    ("optim.lr=1,5", "optim.lr=1.5"),
    ("train.decay_only=2", "train.decay_only=true"),
    ("name=[mine]", "name=mine"),
    ("name=null", "name=unnamed"),
    ("optim.schedule=wsd", "optim.schedule.kind=wsd"),
    ("optim.schedule.kind=wds", "wsd"),
    ("train=5", "train.seq_length=5"),
    # signs that the grammar does not take
    ("data.inputs=[my/folder", "data.inputs=['my/folder']"),
    ("data.inputs=['my/folder]", "data.inputs=['my/folder']"),
    ("data.tokens='a b", "data.tokens='a b'"),
    ("data.tokens=a,b", "data.tokens='a,b'"),
    ("data.tokens=a${b", "data.tokens='a\\${b'"),
    ("data.inputs=['a${']", "data.inputs=['mine']"),
    ("seed=range(1,x)", "seed=1"),
    ("name==mine", "name=mine"),
    ("name =mine", "name=mine"),
    ("name:mine", "name=mine"),
    ("name", "name=unnamed"),
    ("my/folder", "data.inputs=['my/folder']"),
    ("=my/folder", "data.inputs=['my/folder']"),
    ("+name=mine", "name=mine"),
    ("~name", "name=unnamed"),
    ("name=mine,", "name=mine"),
    # flags
    ("--name=mine", "name=mine"),
    ("--inputs=a", "data.inputs=['a']"),
    ("--dry-run", "dry_run=true"),
    ("--cluster=slurm", "cluster=slurm"),
    # groups
    ("model=encoder/mdernbert_base", "encoder/modernbert_base"),
    ("model=[encoder/tiny]", "model=encoder/tiny"),
    ("+model=encoder/tiny", "model=encoder/tiny"),
    ("model@x=encoder/tiny", "model=encoder/tiny"),
    ("data={inputs: [a]}", "data.inputs=['a']"),
    ("experiment=quikstart", "quickstart"),
    ("experiment=conf/experiment/quickstart.yaml", "quickstart"),
    ("experiments=quickstart", "experiment"),
    # references
    ("name=${name}", "name=unnamed"),
    ("name=${nmae}", "name"),
    ("seed=${name}", "seed=0"),
    # settings that are no user's
    ("hydra.run.dir=out", "runs_dir=out"),
]


@pytest.mark.parametrize(("wrong", "mend"), WRONG, ids=[wrong for wrong, _ in WRONG])
def test_a_wrong_argument_is_one_sentence_whose_mend_works(run, wrong, mend):
    sentence = refused(run, "mix", wrong)
    key, sign, _ = wrong.lstrip("-+").partition("=")
    arguments = [mend]
    if mend not in sentence:  # quoted for the shell
        assert shlex.quote(mend) in sentence, sentence
    elif mend.endswith("=") or "=" not in mend:  # one that is named beside its key, or with a value of the schema
        found = re.search(
            rf"{re.escape(mend)}\S*", sentence[max(sentence.rfind("write "), sentence.rfind("did you mean")) :]
        )
        word = found[0].strip("'?;:,\n")
        value = wrong.partition("=")[2]
        arguments = [word if "=" in word else f"{word}={value}" if key == "experiments" else f"{key}={word}"]
        if value.startswith("${"):
            arguments = [f"{key}=${{data.text_field}}"]
    printed = run("mix", *arguments, "--cfg", "job")
    assert (printed.status, printed.err) == (0, ""), (arguments, printed.err)


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["--name", "mine"], "name=mine"),
        (["-name", "mine"], "name=mine"),
        (["name=", "mine"], "name=mine"),
        (["name", "=mine"], "name=mine"),
        (["name", "=", "mine"], "name=mine"),
        (["data.tokens=my", "folder"], '"data.tokens=my folder"'),
        (["data.inputs=[a]", "data.inputs=[b]"], "\"data.inputs=['a','b']\""),
        (["data.inputs=[my", "texts,b]"], "\"data.inputs=['my texts','b']\""),
        (["--cfg"], "--cfg job"),
        (["--cfg", "jobs"], "--cfg job"),
        (["--cfg", "job", "--package", "tain"], "--cfg job --package train"),
        (["-m", "seed=1,,2"], "seed=1,2"),
        (["-m", "seed=1,x"], "seed=0"),
        (["-m", "seed=range(3,3)"], "seed=1,2"),
        (["-m", "optim.lr=interval(0.1,1)"], "optim.lr=0.1,1"),
        (["-m", "experiment=glob(*)"], "experiment=bielik/corpus,bielik/corpus_full"),
    ],
)
def test_several_wrong_arguments(run, arguments, mend):
    sentence = refused(run, "mix", *arguments)
    assert mend in sentence
    mended = shlex.split(mend)
    if "," not in mend or "[" in mend:
        mended = mended if "--cfg" in mended else [*mended, "--cfg", "job"]
        assert run("mix", *mended).status == 0
        return
    ended = run("mix", "-m", *mended)  # past the grid, to what mix itself wants
    assert ended.status == 2 and "phases is empty" in ended.err and ended.left == [], ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], "leave it out"),
        (["--config-name", "prepare"], "python -m jobs.<job>"),
        (["--config-dir=conf"], "conf/experiment"),
        (["--info"], "--cfg job"),
        (["--hydra-help"], "--help"),
        (["--run"], "leave it out"),
        (["--resolve"], "--cfg job"),
        (["--shell-completion"], "--help"),
        (["--hlep"], "did you mean --help?"),
        (["-x"], "key=value"),
        (["--watch"], "jobs.status"),
        (["-m"], "seed=1,2, or leave -m out"),
        (["-m", "train.steps=1"], "leave -m out"),
        (["--cfg", "job", "-m", "seed=1,2"], "leave -m"),
        (["-m", "model=encoder/tiny,encoder/tny"], "did you mean 'encoder/tiny'?"),
        (["seed=1,2"], "add -m"),
        (["++new.key=1"], "unknown key 'new.key'"),
        (["~phases.a"], "leave it out"),
        (["~model"], "choose another"),
        (["model=null"], "there are: auto"),
        (["hydra/launcher=basic"], "cluster=slurm"),
        (["hydra.verbose=true"], "leave it out"),
        (["name=${oc.env:TERZI_NONE}"], "export TERZI_NONE="),
        (["name=${HOME}"], "${oc.env:HOME}"),
        (["name=${new:x}"], "${oc.env:NAME}"),
        (["train.steps=" + "9" * 5000], "whole number"),
    ],
    ids=str,
)
def test_what_has_no_single_mend_says_what_there_is(run, arguments, words):
    assert words in refused(run, "mix", *arguments, HOME="/root")


@pytest.mark.parametrize("name", JOBS)
def test_every_job_speaks_so(run, name):
    assert "data.inputs=['my/folder']" in refused(run, name, "data.inputs=my/folder", HYDRA_FULL_ERROR="1")
    unknown = "error: unknown key 'optim.lrr'; did you mean 'optim.lr'?; `--cfg job` prints every key with its value\n"
    assert refused(run, name, "optim.lrr=3") == unknown
    if name in ("doctor", "fetch", "status"):
        assert "takes no multirun" in refused(run, name, "-m", "seed=1,2")


def test_what_the_text_or_a_server_does_not_give_is_one_sentence_too(run, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "one"}\n{"text": \n')
    assert "bad.jsonl line 2" in refused(run, "tokenizer", f"data.inputs=['{tmp_path}/bad.jsonl']")
    (tmp_path / "scan.pdf").write_bytes(b"x")
    assert "http://" in refused(run, "ocr", f"ocr.inputs=['{tmp_path}/scan.pdf']", "ocr.endpoint.url=localhost:8000")
    assert "there is 0 to 1" in refused(run, "prepare", "prepare.array_size=2", "prepare.array_task=2")


def test_no_arguments_at_all(run):
    assert "data.inputs is empty" in refused(run, "split")
    assert "corpus.inputs" in refused(run, "corpus")
    assert run("status").status == 0


def test_a_multirun_leaves_nothing_of_hydra_behind(run, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The tenant pays the rent and the owner signs the lease. " * 50)
    ended = run("split", "-m", "seed=1,2", f"data.inputs=['{text}']", "split.output=out/${seed}", "dry_run=true")
    assert ended.status == 0, ended.err
    assert ended.left == []


def test_the_version_is_our_own(run):
    shown = run("train", "--version")
    assert shown.status == 0 and shown.err == ""
    assert re.match(r"terzi \d+\.\d+\.\d+, torch \d", shown.out) and "megatron-core" in shown.out


@pytest.mark.parametrize(
    "path", ["a b", "a'b", 'a"b', "a=b", "a,b", "a(1)", "(a", "a)", "a$b", "a#b", "a%20b", "a\\b", "a\\", "şarkı/ğ",
    "a&b;c", "a!b*?",
     "007", "1e3", "true"]
)  # fmt: skip
def test_a_path_of_any_signs_is_taken_as_it_is(run, path):
    value = f"'{path}'" if "," in path else path
    printed = run("mix", f"data.tokens={value}", f"data.inputs=[b, {value}]", "--cfg", "job", "--package", "data")
    assert printed.status == 0, printed.err
    data = yaml.safe_load(printed.out)
    assert data["tokens"] == path
    if path not in ("007", "1e3", "true"):
        assert data["inputs"] == ["b", path]


def test_the_home_folder_is_written_out(run, tree, tmp_path):
    (tree / "conf" / "experiment" / "home.yaml").write_text("# @package _global_\ndata:\n  inputs: [~/texts]\n")
    for argument in ("data.inputs=['~/texts']", "experiment=home"):
        sentence = refused(run, "tokenizer", argument, HOME=str(tmp_path))
        assert f"data.inputs: {tmp_path}/texts does not exist" in sentence
    assert f"{tmp_path}/tok" in refused(
        run, "mix", "data.tokenizer=~/tok", "phases.a.tokens=5", "mixture.sources.a=b", HOME=str(tmp_path)
    )


YAMLS = {
    "train:\n  steps: [1\n  tokens: 5\n": (4, "close the ["),
    "train:\n\tsteps: 1\n": (3, "blanks in the place of the tab"),
    "name: a: b\n": (2, "wants quotes"),
    "train:\n  steps: 1\n  steps: 2\n": (4, "first in line 3"),
    "- a\n- b\n": (2, "holds a list, and no keys"),
    "train:\n  steps: many\n": (3, "train.steps"),
    "data:\n  inputs: my/folder\n": (3, "write inputs: ['my/folder']"),
    "data:\n  validation: my/law\n": (3, "write validation: {law: 'my/law'}"),
    "train:\n  stepss: 1\n": (3, "did you mean 'train.steps'?"),
    "train: 5\n": (2, "write train: {seq_length: 5}"),
    "phases:\n  - main\n": (2, "phases takes names"),
    "phases:\n  main:\n    tokns: 5\n": (4, "did you mean 'tokens'?"),
    "stepss: 1\n": (2, "unknown key 'stepss'"),
    "name: ${nme}\n": (0, "did you mean 'name'?"),
    "name: ${nme\n": (2, "close it with }"),
    "defaults: 5\n": (2, "defaults is a list"),
    "defaults:\n  - override /model: encoder/tny\n": (3, "did you mean 'encoder/tiny'?"),
    "defaults:\n  - override /mdel: encoder/tiny\n": (3, "did you mean 'model'?"),
    "defaults:\n  - model: encoder/tiny\n": (3, "'- override /model: encoder/tiny'"),
    "defaults:\n  - /experiment/quikstart\n": (3, "did you mean 'quickstart'?"),
}


@pytest.mark.parametrize("text", YAMLS, ids=[text.strip().replace("\n", "|") for text in YAMLS])
def test_a_yaml_is_refused_with_file_and_line(run, tree, text):
    line, words = YAMLS[text]
    (tree / "conf" / "experiment" / "wrong.yaml").write_text("# @package _global_\n" + text)
    sentence = refused(run, "mix", "experiment=wrong")
    assert words in sentence
    assert not line or f"conf/experiment/wrong.yaml, line {line}" in sentence, sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"train:\n  steps: 1\n", "'# @package _global_'"),
        (b"# @package _global_\nname: \xff\n", "save it as UTF-8"),
    ],
)
def test_a_yaml_that_is_no_experiment(run, tree, content, words):
    (tree / "conf" / "experiment" / "wrong.yaml").write_bytes(content)
    assert words in refused(run, "mix", "experiment=wrong")


@pytest.mark.parametrize(
    "command",
    [
        ["pipeline", "experiment=mecellem/demo", "dry_run=true"],
        ["tokenizer", "experiment=mecellem/demo"],
        ["tokenizer", "data=tr_legal"],
        ["corpus", "experiment=mecellem/corpus", "dry_run=true"],
    ],
    ids=str,
)
def test_a_variable_that_is_not_set_is_named(run, tmp_path, command):
    sentence = refused(run, *command)
    assert "export TERZI_DATA=" in sentence and "missing-set" not in sentence
    prepared = run("prepare", "data=tr_legal", "data.inputs=[a]", "data.retrieval=b")
    assert "TERZI_DATA" not in prepared.err  # named otherwise, nothing of it is read


def test_a_language_without_a_profile_says_which_file_to_write(run, tree):
    wrong = ("corpus", "corpus.inputs=[a]", "corpus.language=xx", "dry_run=true")
    sentence = refused(run, *wrong)
    assert "there are: en, pl, tr" in sentence
    source, target = re.search(r"cp (\S+) (\S+)", sentence).groups()
    shutil.copy(tree / source, tree / target)
    assert "profile" not in run(*wrong).err
    assert "did you mean 'gopher_quality'?" in refused(
        run, "corpus", "corpus.inputs=[a]", "corpus.languages.tr.rules.gopher_qualit.min_words=5"
    )
    assert "corpus.languages.tr" in refused(run, "corpus", "corpus.inputs=[a]", "corpus.languages.tr=5")


def test_slurm_that_is_not_here_or_does_not_answer(run, tmp_path):
    command = ("quickstart", "cluster=slurm")
    assert "use cluster=local" in refused(run, *command, PATH=str(tmp_path))
    for words, told in {
        "error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nscontrol: error: fetch_config: DNS SRV lookup failed\nscontrol: fatal: Could not establish a configuration source": (  # noqa: E501
            "SLURM_CONF"
        ),
        "error: Unable to contact slurm controller (connect failure)": "try again later",
    }.items():
        script = tmp_path / "scontrol"
        script.write_text(f"#!/bin/sh\necho 'scontrol: {words}' >&2\nexit 1\n")
        script.chmod(0o755)
        sentence = refused(run, *command, PATH=f"{tmp_path}:/usr/bin:/bin")
        assert told in sentence and "use cluster=local" in sentence


def test_a_budget_that_leaves_a_phase_nothing_names_the_least(run):
    command = ("train", "experiment=mecellem/qwen3_4b_cpt", "plan=true", "hardware.gpus=64")
    sentence = refused(run, *command, "budget=1e-13")
    assert "budget=1e-13 leaves phases.all none" in sentence
    least = re.search(r"budget=(\S+)\n", sentence)[1]
    assert "leaves phases" not in run(*command, f"budget={least}").err
