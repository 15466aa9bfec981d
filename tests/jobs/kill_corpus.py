"""``kill_corpus.py INPUTS EVALUATION OUTPUT FIRST STEP``: kill jobs.corpus before its FIRST, FIRST + STEP, ... step on
disk.

Each time in a fork, on what the kill before left; a run that comes through empties the folder for the next. Prints the
digests of what each run that came through wrote."""

import shutil
import signal
import sys
from pathlib import Path

from dying import die_before_step_on_disk, in_fork

from common.files import digest
from conf.schema import Config
from conf.schema.corpus import SourceConfig
from data_prep.corpus import publish  # noqa: F401  (imported once, here, and not in every fork)
from data_prep.corpus.stages import write  # noqa: F401
from jobs import corpus

INPUTS, EVALUATION, OUTPUT = sys.argv[1:4]


def configured() -> Config:
    config = Config()
    config.corpus.sources = {"docs": SourceConfig(inputs=[INPUTS], language="en", licence="PSF")}
    config.corpus.output, config.corpus.rules, config.corpus.pii = OUTPUT, ["gopher_quality"], True
    config.corpus.contamination.inputs = [EVALUATION]
    config.corpus.paragraphs.enabled = True
    config.corpus.shard_bytes, config.cluster.workers = 30_000, 1
    return config


def run_until(number: int) -> int:
    """Exit status of a fork that runs jobs.corpus and is killed before the ``number``-th step (0: never)."""

    def job() -> None:
        die_before_step_on_disk(number, OUTPUT)
        corpus.run(configured())

    return in_fork(job)


if __name__ == "__main__":
    number, step = int(sys.argv[4]), int(sys.argv[5])
    kills = 0
    while run_until(number) == signal.SIGKILL:  # each time a little further, from what was left
        kills += 1
        number += step
    paths = sorted([*Path(OUTPUT).glob("documents/*/*"), Path(OUTPUT, "funnel.json")])
    print(kills, *(digest(path) for path in paths))
    shutil.rmtree(OUTPUT)
