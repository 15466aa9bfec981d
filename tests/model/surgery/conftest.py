"""Folders in Hugging Face's format with a few random tensors, which is all that an average looks at."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import save_torch_state_dict

SHAPES = {
    "model.embed.weight": (50, 16),
    "model.layers.0.w.weight": (16, 16),
    "model.norm.weight": (16,),
    "model.scale": (),
}
MakeModel = Callable[..., Path]


@pytest.fixture
def draw() -> Callable[..., dict[str, torch.Tensor]]:
    """``draw(seed, dtype=torch.float32)``: random tensors of `SHAPES`."""

    def drawn(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in SHAPES.items()}

    return drawn


@pytest.fixture
def make_model(tmp_path) -> MakeModel:
    """``make_model(name, tensors, shard_bytes=..., **config)``."""

    def make(
        name: str, tensors: dict[str, torch.Tensor], shard_bytes: int = 10**9, tokenizer: str = "{}", **config
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        save_torch_state_dict(tensors, folder, max_shard_size=shard_bytes, metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": 16, **config}))
        (folder / "tokenizer.json").write_text(tokenizer)
        (folder / "generation_config.json").write_text(json.dumps({"name": name}))
        return folder

    return make
