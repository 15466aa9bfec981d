"""Small decoders with low-rank pairs, the same of transformers with peft's, and short trainings of both."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from conf.schema import CausalConfig, DecoderConfig, LoraConfig, OptimConfig, ParallelConfig
from model.megatron import startup, step
from model.megatron.optimizer import build_optimizer, set_lr
from model.nets.decoder import Decoder, build_decoder
from model.nets.pack import Pack
from model.objectives.causal import Causal
from model.projections import projections
from model.training.data.sample import Sample
from tests.model.nets.decoder_peers import SMALL, randomise, theirs

LENGTHS = [60, 7, 31, 2, 23]  # 123 tokens: an odd number cannot be cut in two without filling
OPTIM = OptimConfig(name="adamw", lr=1e-2, beta2=0.95, eps=1e-6, weight_decay=0.1, clip_grad=0.0)


def adapted_config(family: str = "qwen3", targets: Sequence[str] = (), **keys: float) -> DecoderConfig:
    """A small decoder with pairs beside `targets`, beside all projections if there are none."""
    config = SMALL[family]
    names = list(targets) or [name for names in projections(config).values() for name in names]
    return dataclasses.replace(config, lora=LoraConfig(**{"rank": 4, "alpha": 6.0, **keys}, targets=names))


def adapted_net(config: DecoderConfig, seed: int = 0) -> Decoder:
    """It, with every parameter random, B's too."""
    net = randomise(build_decoder(config), config, seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if ".lora_b." in name:
                parameter.mul_(0.3)
    return net


def pairs(net: Decoder) -> dict[str, torch.nn.Parameter]:
    """What is learnt, by peft's names inside a `PeftModel`. Of one rank."""
    found = {}
    for name, parameter in net.named_parameters():
        if ".lora_" in name:
            _, _, layer, place, _, side, projection = name.split(".")
            place = {"self_attention": "self_attn"}.get(place, place)
            found[
                f"base_model.model.model.layers.{layer}.{place}.{projection}.{side[:-1]}{side[-1].upper()}.default.weight"
            ] = parameter
    return found


def peft_peer(net: Decoder, config: DecoderConfig) -> torch.nn.Module:
    """transformers' net with the same weights, and peft's pairs with the same ones."""
    import peft

    base = {name: parameter for name, parameter in net.named_parameters() if ".lora_" not in name}
    lora = config.lora
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )
    peer = peft.get_peft_model(theirs(config, base), settings)
    ours = pairs(net)
    missing, unexpected = peer.load_state_dict(ours, strict=False)
    assert not unexpected and not [name for name in missing if ".lora_" in name]
    return peer.eval()


def samples(index: int) -> list[Sample]:
    """The batch of step `index`: one pack."""
    draw = np.random.default_rng(index)
    return [Sample(index, [draw.integers(0, 200, length) for length in LENGTHS])]


def pack(index: int = 0) -> Pack:
    """Its documents."""
    return Pack.from_documents(samples(index)[0].documents)


class Training:
    """A net that is being trained, by the same calls as in the training loop."""

    def __init__(self, net: Decoder, parallel: ParallelConfig | None = None, optim: OptimConfig = OPTIM):
        parallel = parallel or startup.parallel()
        self.net, self.optim = net, optim
        self.objective = Causal(CausalConfig(chunk_tokens=50), net.decoder_config.vocab_size)
        self.model = step.distribute(net, parallel)
        self.optimizer = build_optimizer(self.model, optim, parallel)
        set_lr(self.optimizer, optim.lr)

    def step(self, index: int, seeds: Sequence[int] | None = None, mine: slice = slice(None)) -> step.StepResult:
        """One step on `samples(2 * index)` and the next, a micro-batch each; `mine`: those of this rank."""
        batches = [self.objective.batch(samples(number), train=True) for number in (2 * index, 2 * index + 1)][mine]
        return step.train_step(self.model, self.optimizer, self.objective.loss, batches, seeds)


def their_loss(peer: torch.nn.Module, index: int) -> torch.Tensor:
    """The same loss per token, of the same two micro-batches, document by document."""
    total, count = torch.zeros(()), 0
    for number in (2 * index, 2 * index + 1):
        for document in samples(number)[0].documents:
            ids = torch.from_numpy(document)[None]
            logits = peer(input_ids=ids).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
            count += len(document) - 1
    return total / count
