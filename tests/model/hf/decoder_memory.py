"""``decoder_memory.py FOLDER``: memory while a net of about 200 MB goes out and comes in, as JSON.

What counts is anonymous memory (RssAnon): pages of the files that are read belong to the system's cache, which gives
them up at need."""

import dataclasses
import json
import sys
import threading
from pathlib import Path

import torch

from conf.schema import DecoderConfig, ParallelConfig
from model.hf.decoder.folder import export_decoder, load_weights
from model.megatron import startup
from model.nets.decoder import build_decoder

CONFIG = DecoderConfig(
    architecture="qwen3", vocab_size=10_000, num_layers=4, hidden_size=768, num_heads=12, num_kv_heads=4,
    head_width=64, ffn_size=3072,
    max_positions=64, tie_embeddings=False,
)  # fmt: skip


def resident() -> int:
    """Anonymous memory of this process in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


class Peak:
    """The largest `resident` within a block, looked at every millisecond."""

    def __enter__(self) -> "Peak":
        self.before = self.most = resident()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(0.001):
            self.most = max(self.most, resident())

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def main(folder: Path) -> dict[str, float]:
    """Bytes of the net, and how much more than before there was at most while it went out, and while it came in to
    another."""
    startup.start(ParallelConfig(threads=1), seed=0)
    tiny = dataclasses.replace(CONFIG, vocab_size=128, num_layers=1, hidden_size=64, ffn_size=64)
    first = build_decoder(tiny)
    export_decoder(first, tiny, folder / "tiny")  # imports modules
    load_weights(first, tiny, folder / "tiny")
    net, again = build_decoder(CONFIG), build_decoder(CONFIG, initialise=False)
    with Peak() as out:
        export_decoder(net, CONFIG, folder / "hf", shard_bytes=20_000_000)
    with Peak() as back:
        load_weights(again, CONFIG, folder / "hf")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    return {
        "net": sum(parameter.nbytes for parameter in net.parameters()),
        "out": out.most - out.before,
        "in": back.most - back.before,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
