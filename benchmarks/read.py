"""Reading .jsonl.zst: our reader against datatrove's, the same file, one process each in turns, one thread.

  TERZI_DATA=... python -m benchmarks.read [rounds]

Prints MB/s of UTF-8 text of both and their ratio, and keeps them in results/read.json. Both must give the same texts.
"""

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import alternate, ratio, summary
from benchmarks.record import keep
from conf.schema.corpus import CorpusConfig, SourceConfig
from data_prep.sources.readers import Form, read_documents

FILE = "tr_legal/train.jsonl.zst"


def main(rounds: int) -> dict[str, Any]:
    """Measure, print, keep."""
    from datatrove.pipeline.readers import JsonlReader

    path = Path(os.environ["TERZI_DATA"], FILE)
    form = Form.of_source("legal", SourceConfig(), CorpusConfig())
    texts: dict[str, list[str]] = {}

    def ours() -> None:
        texts["ours"] = [document.text for document in read_documents(path, form)]

    def theirs() -> None:
        reader = JsonlReader(str(path.parent), glob_pattern=path.name)
        texts["datatrove"] = [document.text for document in reader()]

    times = alternate({"datatrove": theirs, "ours": ours}, rounds)
    assert texts["ours"] == texts["datatrove"]
    size = sum(len(text.encode()) for text in texts["ours"]) / 1e6
    speed = {name: round(size / min(times[name]["cpu"]), 1) for name in times}
    found = {
        "file": FILE, "documents": len(texts["ours"]), "megabytes_of_text": round(size, 1),
        "megabytes_per_cpu_second": speed,
        "times": {name: summary(of) for name, of in times.items()}, "ratio": ratio(times["datatrove"], times["ours"],
        "cpu"),
    }  # fmt: skip
    print(f"{FILE}: ours {speed['ours']} MB/s, datatrove {speed['datatrove']} MB/s, ratio {found['ratio']['of_least']}")
    return found


if __name__ == "__main__":
    keep("read", main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
