"""What the probes of checkpoints with one tokenizer share, made when the first of them asks."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.layout import CONFIG, HF, TOKENIZER
from common.numbers import same
from common.progress import say
from common.read_yaml import read_yaml
from common.retrieval.load import RetrievalSet, digest_retrieval, load_retrieval
from conf.schema import Config, ProbeConfig
from model.training.checkpoints.checkpoints import Checkpoint

if TYPE_CHECKING:
    from model.evaluation.measures.retrieval.prepared import Prepared
    from model.evaluation.measures.retrieval.probe import ProbeResult

SHAPE_KEYS = ("vocab_size", "num_layers", "hidden_size", "num_heads", "ffn_size")


class SharedRetrieval:
    """The retrieval set, read and tokenised once."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file

    @cached_property
    def sets(self) -> dict[str, RetrievalSet]:
        """The retrieval set."""
        data = self.config.data
        return load_retrieval(data.retrieval, self.config.probe.seed, data.max_document_bytes or None)

    @cached_property
    def digest(self) -> str:
        """Digest of the retrieval set."""
        return digest_retrieval(self.config.data.retrieval)

    @cached_property
    def prepared(self) -> "Prepared":
        """Its texts, tokenised."""
        from model.evaluation.measures.retrieval.prepared import prepare

        sets = self.sets  # first: a set that cannot be read is one sentence, alone
        say(f"tokenise the retrieval set {self.config.data.retrieval}")
        return prepare(sets, self.tokenizer_file, self.config.probe)

    def document(self, result: "ProbeResult", probe: ProbeConfig) -> dict[str, Any]:
        """What is written of one probe: nDCG@10 of every query as arrays, means, and how they were made."""
        from model.megatron.startup import parallel

        prepared = self.prepared
        arrays = {
            f"{readout}/{split}": metrics["ndcg@10"]
            for readout, splits in result.scores.items()
            for split, metrics in splits.items()
        }
        return {
            **arrays,
            "readout": probe.readout,
            "metrics": result.metrics(),
            "queries": {name: len(split.query_ids) for name, split in prepared.splits.items()},
            "documents": {name: len(prepared.corpora[split.corpus].tokens) for name, split in prepared.splits.items()},
            "pairs": len(prepared.queries),
            "seconds": {part: round(value, 3) for part, value in result.seconds.items()},
            "settings": asdict(probe),
            "precision": parallel().precision,
        }


def bm25_of(config: Config, run: Path, checkpoint: Checkpoint, shared: SharedRetrieval) -> dict[str, dict[str, float]]:
    """BM25 on the test queries, read where it was measured with the same settings: variant -> metric -> mean."""
    from model.evaluation.measures.retrieval.baseline import bm25_digest, measure_bm25, read_bm25

    tokenizer, prefix = checkpoint.manifest["files"][f"{HF}/{TOKENIZER}"], config.sweep.bm25_prefix
    digest = bm25_digest(shared.digest, tokenizer, prefix, config.probe)
    standing = None if config.sweep.force else read_bm25(run, digest)
    return standing or measure_bm25(run, shared.sets["test"], shared.prepared, prefix, config.probe, digest)


def shape_check(run: Path) -> Callable[[object], str | None]:
    """A function that says in what the shape of a net differs from the run's frozen configuration, None in nothing."""
    file = run / CONFIG
    frozen = read_yaml(file)["model"] if file.is_file() else {}

    def check(shape: object) -> str | None:
        for key in SHAPE_KEYS:
            wanted, given = frozen.get(key), getattr(shape, key)
            if wanted is not None and not same(wanted, given):
                return f"its {key} is {given}, that of {file} {wanted}"
        return None

    return check
