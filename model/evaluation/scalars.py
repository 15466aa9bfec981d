"""Results in TensorBoard, at the steps of the training."""

import shutil
from pathlib import Path

from model.evaluation.results import Result


def write_scalars(run: str | Path, results: list[Result]) -> None:
    """Write every result to ``tb/probe`` as ``retrieval/ndcg@10/test/cat`` etc.

    The events are written anew each time, so that every step stands there once whatever was probed again; a TensorBoard that
    is watching forgets what it had read.
    """
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(run) / "tb" / "probe"
    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder), purge_step=0) as writer:
        for result in results:
            for readout, splits in result.metrics.items():
                for split, metrics in splits.items():
                    for name, value in metrics.items():
                        writer.add_scalar(f"retrieval/{name}/{split}/{readout}", value, result.step)
