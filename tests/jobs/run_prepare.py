"""``run_prepare.py INPUTS TOKENIZER TOKENS ELEMENTS WORKERS``: jobs.prepare in a process that can be killed."""

import sys

from conf.schema import Config
from jobs import prepare


def configured() -> Config:
    config = Config()
    config.data.inputs, config.data.tokenizer, config.data.tokens = [sys.argv[1]], sys.argv[2], sys.argv[3]
    config.prepare.shard_bytes = 4000
    return config


if __name__ == "__main__":
    config = configured()
    config.prepare.array_size, config.cluster.workers = int(sys.argv[4]), int(sys.argv[5])
    prepare.run(config)
