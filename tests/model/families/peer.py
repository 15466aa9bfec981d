"""A net of transformers with every parameter random, through our import, our net, our export."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

from conf.schema import DecoderConfig
from model.hf.decoder.folder import export_decoder
from model.hf.folder import load_net
from model.nets.decoder import Decoder
from model.nets.pack import Pack

LENGTHS = (100, 3, 40, 1)
SIZES = {
    "vocab_size": 200, "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 256,
}  # fmt: skip


@torch.no_grad()
def random_peer(model_type: str, **keys: Any) -> torch.nn.Module:
    """transformers' model of this type; weights large enough for tokens to matter to each other."""
    config = transformers.AutoConfig.for_model(
        model_type, **SIZES | {"pad_token_id": 0, "attn_implementation": "eager"} | keys
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    draw = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw)
        scale = 1.5 * parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.copy_(scale * noise + float("norm" in name and name.endswith("weight")))
    return model


@torch.no_grad()
def both(net: Decoder, peer: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of ours on a pack of documents, and of theirs on each by itself: two `[T, V]`."""
    documents = [np.random.default_rng(length).integers(0, 200, length) for length in LENGTHS]
    ours = net(Pack.from_documents(documents))[:, : net.decoder_config.vocab_size]
    theirs = [peer(input_ids=torch.from_numpy(document)[None]).logits[0] for document in documents]
    return ours, torch.cat(theirs)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference of logits, as a share of the largest logit."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a model folder."""
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def through(peer: torch.nn.Module, folder: Path) -> tuple[DecoderConfig, Decoder]:
    """The net that we read of ``peer``, after it was held to be the same: logits, tensors and keys, there and back."""
    peer.save_pretrained(folder / "theirs")
    config, net = load_net(folder / "theirs")
    ours, theirs = both(net.eval(), peer)
    assert theirs.std() > 0.1 and difference(ours, theirs) <= 1e-5
    export_decoder(net, config, folder / "ours")
    stated, again = tensors(folder / "theirs"), tensors(folder / "ours")
    assert stated.keys() == again.keys() and all(torch.equal(tensor, again[name]) for name, tensor in stated.items())
    assert load_net(folder / "ours")[0] == config
    reloaded, loading = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(loading.values()), loading
    assert type(reloaded) is type(peer) and difference(both(net, reloaded.eval())[1], theirs) <= 1e-6
    return config, net


def written(folder: Path, config: dict[str, Any]) -> Path:
    """A folder with this config.json."""
    (folder / "config.json").write_text(json.dumps(config))
    return folder
