"""What the quickstart may claim, over three seeds, through the jobs that a user runs.

Claim: test nDCG@10 of the checkpoint that was selected on dev queries lies above the best untrained readout (last, emb
or cat, after the same probe), with a paired-bootstrap 95% interval above 0, for each of three seeds. Corpus and
tokenizer are those of `make quickstart`; only the run differs.

  python -m benchmarks.quickstart_claim            about 6 minutes a seed on two cores
  python -m benchmarks.quickstart_claim 0 1 2      the same, seeds named
"""

import sys
import time
from importlib import import_module

from benchmarks.record import keep
from conf.schema import Config
from jobs.launch import graph
from jobs.launch.compose import compose, to_config
from model.evaluation.measures.retrieval.result import NDCG, Findings
from model.evaluation.sweep import sweep


def measure(seed: int) -> dict:
    """Train and probe one seed; every figure that the claim rests on."""
    overrides = ["experiment=quickstart", f"seed={seed}", "run=claim_seed_${seed}"]
    config: Config = to_config(compose("pipeline", overrides))
    seconds = {}
    for name in graph.chain(config):
        if name in ("sweep", "export"):
            continue
        started = time.monotonic()
        import_module(f"jobs.{name}").run(config)
        seconds[name] = round(time.monotonic() - started, 1)
    started = time.monotonic()
    swept = sweep(config)
    seconds["sweep"] = round(time.monotonic() - started, 1)
    findings = swept.measures["retrieval"].findings(swept)
    return {"seed": seed, "seconds": seconds, **figures(findings)}


def figures(found: Findings) -> dict:
    """Scores by step and readout, the selected checkpoint, and its difference from the best untrained readout."""
    untrained, readout = found.untrained
    difference = found.differences[found.best.step]
    return {
        "selected_step": found.best.step,
        "selected": found.best.mean("test", NDCG),
        "untrained_best_readout": readout,
        "untrained": untrained.mean("test", NDCG, readout),
        "difference": difference.mean,
        "interval": [difference.low, difference.high],
        "holds": difference.low > 0,
        "bm25": {variant: metrics[NDCG] for variant, metrics in found.bm25.items()},
        "checkpoints": [
            {
                "step": result.step,
                "tokens": result.tokens,
                "validation_loss": result.validation_loss,
                "train_loss": result.train_loss,
                **{name: result.mean("test", NDCG, name) for name in result.metrics},
            }
            for result in found.results
        ],
    }


def main(seeds: list[int]) -> None:
    """Measure every seed, print a line each, keep the result."""
    measured = []
    for seed in seeds:
        measured.append(measure(seed))
        last = measured[-1]
        print(
            f"seed {seed}: selected step {last['selected_step']} {last['selected']:.3f}, untrained"
            f" ({last['untrained_best_readout']}) {last['untrained']:.3f}, difference {last['difference']:+.3f}"
            f" [{last['interval'][0]:.3f}, {last['interval'][1]:.3f}], {'holds' if last['holds'] else 'DOES NOT HOLD'}",
            flush=True,
        )
    path = keep(
        "quickstart_claim", {"holds": f"{sum(m['holds'] for m in measured)} of {len(measured)}", "seeds": measured}
    )
    print(f"written: {path}")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0, 1, 2])
