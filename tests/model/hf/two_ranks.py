"""``two_ranks.py FOLDER``, on two ranks: logits of FOLDER/given cut over both, without and with the sequence cut, and
its export again."""

import sys
from pathlib import Path

import numpy as np
import torch
from megatron.core.tensor_parallel import gather_from_tensor_model_parallel_region

from conf.schema import ParallelConfig
from model.hf.modernbert.folder import export_modernbert, load_modernbert
from model.megatron import ranks, startup
from model.nets.pack import Pack

folder = Path(sys.argv[1])
for how in ("whole", "sequence"):
    startup.start(ParallelConfig(tensor=2, sequence=how == "sequence", threads=1), seed=3)
    config, model = load_modernbert(folder / "given")
    with np.load(folder / "documents.npz") as documents, torch.no_grad():
        pack = Pack.from_documents([documents[name] for name in documents.files])
        logits = gather_from_tensor_model_parallel_region(model.eval()(pack))
        some = gather_from_tensor_model_parallel_region(model(pack, torch.arange(0, len(pack.tokens), 7)))
    if ranks.is_first():
        np.savez(folder / f"{how}.npz", logits=logits.numpy(), some=some.numpy())
    export_modernbert(model, config, folder / f"again_{how}")
