"""The topic classifier on Turkish text, and how fast it is on one thread.

Topics: the chamber of decisions of the Court of Cassation, as their first line names it; statutes; encyclopaedia. What
names a chamber or the kind of document is taken out of the texts, so that the classifier must go by what they are
about.

  TERZI_DATA=... python -m benchmarks.topic_classifier         about half a minute on one core
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries start their threads

import re
import tempfile
import time
from pathlib import Path

import orjson
import zstandard

from benchmarks.record import keep
from benchmarks.text import data
from conf.schema.data import DataConfig
from conf.schema.quality import TopicsConfig
from data_prep.quality.learn import batches
from data_prep.text.language import load_language
from data_prep.topics.classifier import load
from data_prep.topics.learn import build

CHAMBER = re.compile(r"(\d+)\. ?(Ceza|Hukuk) Dairesi")
NAMES = re.compile(r"\(?\b(Kapatılan\)?)? ?\d+ ?\. ?(Ceza|Hukuk|CEZA|HUKUK) (Dairesi|DAİRESİ)\w*", re.IGNORECASE)


def labelled(folder: Path) -> Path:
    """Write the labelled documents to a file in ``folder``."""
    file = folder / "labelled.jsonl"
    with file.open("wb") as out:
        for name in ("tr_legal", "tr_general"):
            packed = (data() / name / "train.jsonl.zst").read_bytes()
            for line in zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines():
                record = orjson.loads(line)
                topic, text = _topic(record["source"], record["text"])
                if topic:
                    out.write(
                        orjson.dumps(
                            {"id": record["id"], "text": text, "topic": topic}, option=orjson.OPT_APPEND_NEWLINE
                        )
                    )
    return file


def _topic(source: str, text: str) -> tuple[str, str]:
    if "mevzuat" in source:
        return "statutes", text
    if "TQuad" in source:
        return "encyclopaedia", text.partition("\n\n")[2] or text
    found = CHAMBER.search(text.partition("\n")[0])
    return (f"{found[1]}. {found[2]}", NAMES.sub("", text.partition("\n")[2])) if found else ("", "")


def main() -> None:
    """Learn, measure, print and keep."""
    with tempfile.TemporaryDirectory() as place:
        file = labelled(Path(place))
        config = TopicsConfig(model=str(Path(place) / "topics"), labelled=[str(file)])
        profile = load_language("tr")
        started = time.process_time()
        found = build(config, DataConfig(), profile, 0, {})
        learning = time.process_time() - started
        model = load(config.model)
        texts = [orjson.loads(line)["text"] for line in file.open("rb")]
    size, seconds = sum(len(text.encode()) for text in texts) / 1e6, 0.0
    for batch in batches(texts, profile):
        batch.word_hashes, batch.word_has_letter  # noqa: B018  # other rules need them anyway
        started = time.process_time()
        model.topics_of(batch, 0.2)
        seconds += time.process_time() - started
    held_out = found["held_out"]
    print(
        f"{len(held_out['classes'])} topics: accuracy {held_out['accuracy']}, macro-F1 {held_out['macro_f1']},"
        f" {found['other']}"
    )
    print(f"learnt in {learning:.0f} CPU seconds; {size / seconds:.1f} MB per CPU second")
    figures = {
        "megabytes": round(size, 1),
        "mb_per_cpu_second": round(size / seconds, 1),
        "learning_cpu_seconds": round(learning, 1),
    }
    print(f"written: {keep('topic_classifier', figures | found)}")


if __name__ == "__main__":
    main()
