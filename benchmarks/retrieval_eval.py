"""Retrieval at one checkpoint and at each further one of a sweep: encode, exact search, metrics; against
sentence-transformers.

On all cores, as both are run, and on one. Both sides read the same exported folder, a randomly initialised encoder of
the shape `encoder/tiny`, and the test split of a set of questions on Turkish law; texts are cut to 96 tokens, the mean
of the last layer is compared by cosine.
- first: our side for the first checkpoint of a sweep: corpus and queries are tokenised, encoded, searched, scored;
- further: the same for a further checkpoint: what was tokenised is kept;
- peer: `InformationRetrievalEvaluator`, which does all of it for every checkpoint. Batches of 32 (its default; 128 was
  slower
  here). Made equal: our mean leaves out [CLS] and [SEP], the exported folder describes a mean over all tokens, so the
  peer gets a module between encoder and pooling that takes both out of the attention mask; of documents with equal
  scores we rank the higher id first, the peer the lower, so the peer's ids count backwards. nDCG@10 must then agree to
  1e-4. Loading is left out on both sides. Bars, on all cores by the clock: first at least 1.3 times, further at least
  1.6 times as fast as the peer.

  TERZI_DATA=... python -m benchmarks.retrieval_eval         about 3 minutes
"""

import os

from common.layout import HF, TOKENIZER

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # for both sides

import statistics
import tempfile
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import alternate, in_child, peak_memory, ratio, summary
from benchmarks.record import keep
from benchmarks.text import data, learn_tokenizer, turkish_legal
from common.environment import cores
from common.retrieval.load import RetrievalSet, load_retrieval
from conf.schema import EncoderConfig, ParallelConfig, ProbeConfig
from model.evaluation.measures.retrieval.encode import Tokeniser, Tokens, encode
from model.evaluation.measures.retrieval.metrics import DEPTH, Judgements, evaluate
from model.evaluation.measures.retrieval.readout import read
from model.evaluation.measures.retrieval.search import search, tie_order
from model.hf.modernbert.folder import export_modernbert, load_modernbert
from model.megatron.startup import set_threads, start
from model.nets.encoder import build_encoder

SHAPE = EncoderConfig(vocab_size=8192, num_layers=4, hidden_size=128, num_heads=4, ffn_size=256, max_positions=512)
SET = "tr_legal_qa_chunks"
TOKENS = ProbeConfig().document_tokens
PEER_BATCH = 32
ROUNDS = 3
BARS = {"first": 1.3, "further": 1.6}


class Ours:
    """Our encode, search and metrics over one split."""

    def __init__(self, folder: Path, split: RetrievalSet):
        self.folder, self.split = folder, split
        self.model = load_modernbert(folder)[1].eval().requires_grad_(False)
        self.order = tie_order(split.doc_ids)
        self.judgements = Judgements(split.qrels, split.query_ids, split.doc_ids)
        self.kept = self.tokenise()

    def tokenise(self) -> tuple[Tokens, Tokens]:
        """Queries and documents."""
        tokenise = Tokeniser(self.folder / TOKENIZER)
        return tokenise(self.split.query_texts, TOKENS), tokenise(self.split.doc_texts, TOKENS)

    def first(self) -> float:
        """nDCG@10 of the first checkpoint."""
        return self.score(*self.tokenise())

    def further(self) -> float:
        """nDCG@10 of a further checkpoint."""
        return self.score(*self.kept)

    def score(self, queries: Tokens, documents: Tokens) -> float:
        """nDCG@10 of the plain mean of the last layer."""
        vectors = (
            read(encode(self.model, tokens, ProbeConfig().tokens_per_batch), "last") for tokens in (queries, documents)
        )
        return float(evaluate(search(*vectors, self.order, DEPTH), self.judgements)["ndcg@10"].mean())


class Inner(torch.nn.Module):
    """Takes the first and the last token of each text out of the mask that the pooling sees."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``attention_mask`` [B, L] of texts that are padded on the right."""
        mask = features["attention_mask"].clone()
        mask[torch.arange(len(mask)), mask.sum(1) - 1] = 0
        mask[:, 0] = 0
        return features | {"attention_mask": mask}


class Peer:
    """sentence-transformers on the same folder and split."""

    def __init__(self, folder: Path, split: RetrievalSet):
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

        transformer, pooling = SentenceTransformer(str(folder), device="cpu")
        self.model = SentenceTransformer(
            modules=[transformer, Inner(), pooling], device="cpu", similarity_fn_name="cosine"
        )
        self.model.max_seq_length = TOKENS
        name = {split.doc_ids[place]: f"{rank:07d}" for rank, place in enumerate(tie_order(split.doc_ids))}
        self.evaluator = InformationRetrievalEvaluator(
            dict(zip(split.query_ids, split.query_texts, strict=True)),
            {name[key]: text for key, text in zip(split.doc_ids, split.doc_texts, strict=True)},
            {query: {name[key] for key, grade in grades.items() if grade > 0} for query, grades in split.qrels.items()},
            accuracy_at_k=[10], precision_recall_at_k=[10], batch_size=PEER_BATCH,
        )  # fmt: skip

    def __call__(self) -> float:
        """nDCG@10 of a checkpoint."""
        return self.evaluator(self.model)["cosine_ndcg@10"]


def make_encoder(folder: Path) -> Path:
    """Export a random encoder with a tokenizer of the domain; returns its folder."""
    tokenizer = learn_tokenizer(turkish_legal(folder / "text.jsonl", 8), folder / "tokenizer", SHAPE.vocab_size)
    export_modernbert(build_encoder(SHAPE), SHAPE, folder / HF, tokenizer)
    return folder / HF


def split() -> RetrievalSet:
    """The test split."""
    return load_retrieval(data() / "retrieval" / SET)["test"]


def peak(side: str, folder: Path) -> dict[str, float]:
    """Peak memory of one side, for a process of its own."""
    start(ParallelConfig(threads=1), 0)
    return peak_memory(Ours(folder, split()).first if side == "ours" else Peer(folder, split()))


def main() -> None:
    """Compare, time, print and keep."""
    start(ParallelConfig(threads=1), 0)
    with tempfile.TemporaryDirectory() as place:
        folder = make_encoder(Path(place))
        ours, peer = Ours(folder, split()), Peer(folder, split())
        found = {"ours": ours.first(), "peer": peer()}
        assert abs(found["ours"] - found["peer"]) < 1e-4 and ours.further() == found["ours"], found
        by_threads = {}
        for threads in sorted({1, cores()}):
            set_threads(threads)
            by_threads[threads] = compare(ours, peer, threads)
        memory = {side: in_child(partial(peak, side), folder) for side in ("ours", "peer")}
    print(f"nDCG@10 {found}, peak memory, MiB: {memory}")
    texts = {
        "documents": len(ours.split.doc_ids),
        "queries": len(ours.split.query_ids),
        "tokens": sum(part.count for part in ours.kept),
    }
    figures = {"set": SET, **texts, "rounds": ROUNDS, "ndcg@10": found, "bars": BARS, "threads": by_threads}
    print(f"written: {keep('retrieval_eval', figures | {'peak_memory': memory})}")


def compare(ours: Ours, peer: Peer, threads: int) -> dict:
    """Times and ratios on so many threads, printed."""
    times = alternate({"first": ours.first, "further": ours.further, "peer": peer}, ROUNDS)
    ratios = {name: {clock: ratio(times["peer"], times[name], clock) for clock in ("wall", "cpu")} for name in BARS}
    print(f"on {threads} threads")
    for name, bar in BARS.items():
        wall, cpu = (ratios[name][clock]["median"] for clock in ("wall", "cpu"))
        print(
            f"{name}: {wall:.2f} times the peer by the clock, {cpu:.2f} by CPU time; bar {bar},"
            f" {'met' if wall >= bar else 'MISSED'}"
        )
    for name, values in times.items():
        print(f"{name:8}: {statistics.median(values['wall']):6.2f} s, CPU {statistics.median(values['cpu']):6.2f} s")
    return {"ratios": ratios, "seconds": {name: summary(values) for name, values in times.items()}}


if __name__ == "__main__":
    main()
