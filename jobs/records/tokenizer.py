"""jobs.tokenizer: a byte-level BPE."""

from pathlib import Path

from common.layout import TOKENIZER
from conf.schema import Config
from jobs.records.following import to_tokens
from jobs.records.inputs import text
from jobs.records.job import Job


def _check(config: Config) -> None:
    from data_prep.tokenizer.train import check

    check(config.tokenizer)


JOB = Job(
    "tokenizer",
    "learn a tokenizer",
    ("data", "tokenizer", "prepare", "cluster"),
    home=lambda config: config.data.tokenizer,
    needs=text,
    is_done=lambda config: (Path(config.data.tokenizer) / TOKENIZER).is_file(),
    check=_check,
    following=lambda ended: to_tokens(ended.config),
    takes_over=("data", "tokenizer", "prepare", "cluster"),
)
