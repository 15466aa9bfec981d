"""``decoder_ranks.py FOLDER``, on two ranks: every folder FOLDER/<family> into a net cut over tensor-parallel ranks,
then over stages, and out again to FOLDER/<axis>/<family>; what is said of broken nets to FOLDER/<axis>/told.txt."""

import sys
from pathlib import Path

import torch

from common.errors import AlreadyReported, UserError
from conf.schema import ParallelConfig
from model.hf.decoder.folder import export_decoder
from model.hf.folder import load_net
from model.megatron import ranks, startup


def through(folder: Path, axis: str) -> None:
    """Every family in and out."""
    for family in sorted(path.parent.name for path in folder.glob("*/config.json")):
        config, net = load_net(folder / family)
        start = config.vocab_size - net.tp_group.rank() * 512
        for name, parameter in net.named_parameters():
            if axis == "tensor" and name.startswith(("embedding.", "output_layer.")):
                assert len(parameter) == 512 and not parameter[start:].any()
        export_decoder(net, config, folder / axis / family, shard_bytes=60_000)


@torch.no_grad()
def broken(folder: Path, axis: str) -> None:
    """The last stage of a tied net has a copy of the table, which must not part from it; one rank's part of the table
    may be dead."""
    config, net = load_net(folder / "qwen3")
    own = dict(net.named_parameters())
    if axis == "pipeline" and net.post_process:
        own["output_layer.weight"][5, 5] += 1
    elif axis == "tensor" and net.tp_group.rank() == 1:
        own["embedding.word_embeddings.weight"].zero_()
    try:
        export_decoder(net, config, folder / axis / "broken")
    except (UserError, AlreadyReported) as error:
        told = ranks.gather(str(error))
        if ranks.is_first():
            (folder / axis / "told.txt").write_text("\n".join(told))


if __name__ == "__main__":
    for cut in ("tensor", "pipeline"):
        startup.start(ParallelConfig(**{cut: 2}, threads=1), seed=3)
        through(Path(sys.argv[1]), cut)
        broken(Path(sys.argv[1]), cut)
        startup.stop()
