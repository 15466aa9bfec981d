"""Pairs beside the projections of a decoder compute, learn and are merged as peft's; nothing else is learnt."""

import dataclasses
import math

import pytest
import torch

from common.errors import UserError
from conf.schema import LoraConfig, ParallelConfig
from model.megatron import checkpoint, startup
from model.nets.decoder import build_decoder
from model.nets.lora import merged
from tests.model.nets.decoder_peers import SMALL, logits
from tests.model.nets.lora_peers import OPTIM, Training, adapted_config, adapted_net, pack, pairs, peft_peer, their_loss

TOLERANCE = 1e-4
SOME = [("q_proj", "down_proj"), ("k_proj", "up_proj"), ("v_proj", "o_proj", "gate_proj")]


def error(found, expected):
    """Largest difference, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("family", SMALL)
def test_loss_and_every_gradient_are_those_of_peft(family):
    config = adapted_config(family)
    net = adapted_net(config)
    peer = peft_peer(net, config)
    found = Training(net).step(0)
    expected = their_loss(peer, 0)
    expected.backward()
    assert found.loss == pytest.approx(expected.item(), rel=1e-5)
    gradients = {name: parameter.grad for name, parameter in peer.named_parameters() if parameter.requires_grad}
    assert gradients.keys() == pairs(net).keys()
    for name, parameter in pairs(net).items():
        assert gradients[name].abs().max() > 0
        assert error(parameter.main_grad, gradients[name]) <= TOLERANCE, name
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients.values()))
    assert found.grad_norm == pytest.approx(norm, rel=1e-4)


def test_three_steps_of_adamw_are_those_of_peft():
    config = adapted_config()
    net = adapted_net(config)
    peer = peft_peer(net, config)
    start = {name: parameter.clone() for name, parameter in net.named_parameters()}
    ours, theirs = Training(net), [parameter for parameter in peer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(theirs, OPTIM.lr, (OPTIM.beta1, OPTIM.beta2), OPTIM.eps, OPTIM.weight_decay)
    for index in range(3):
        expected = their_loss(peer, index)
        expected.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert ours.step(index).loss == pytest.approx(expected.item(), rel=1e-5)
    trained = dict(peer.named_parameters())
    for name, parameter in pairs(net).items():
        assert error(parameter, trained[name]) <= TOLERANCE, name
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, start[name]) == (".lora_" not in name), name


@pytest.mark.parametrize("targets", SOME, ids=" ".join)
@torch.no_grad()
def test_some_projections_alone(targets):
    config = adapted_config("qwen3", targets)
    net = adapted_net(config).eval()
    peer = peft_peer(net, config)
    found, expected = net(pack())[:, :200], logits(peer, pack())
    with peer.disable_adapter():
        assert error(logits(peer, pack()), expected) > 0.1
    assert error(found, expected) <= TOLERANCE


@pytest.mark.parametrize("family", ["qwen3", "phi"])
@torch.no_grad()
def test_merged_weights_are_those_of_peft(family):
    """Put into a plain net, they compute what the net with pairs computes and what peft makes of its own."""
    config = adapted_config(family)
    net = adapted_net(config).eval()
    plain = build_decoder(dataclasses.replace(config, lora=LoraConfig()))
    for name, parameter in plain.named_parameters():
        parameter.copy_(merged(net, name))
    expected = logits(peft_peer(net, config).merge_and_unload(), pack())
    assert error(plain.eval()(pack())[:, :200], expected) <= TOLERANCE
    assert error(net(pack())[:, :200], expected) <= TOLERANCE


def test_dropout_is_that_of_peft():
    """The same generator draws the same masks as long as no two projections share an input."""
    config = adapted_config("qwen3", ["q_proj", "o_proj", "gate_proj", "down_proj"], dropout=0.4)
    net, document = adapted_net(config).train(), pack()
    peer = peft_peer(net, config).train()
    one = type(document).from_documents([document.tokens.numpy()])
    found, expected = [], []
    for seed in (1, 2):
        startup.seed_dropout(seed)
        found.append(net(one)[:, :200])
        torch.manual_seed(seed)
        expected.append(logits(peer, one))
    assert error(found[0], expected[1]) > 0.1
    for ours, theirs in zip(found, expected, strict=True):
        assert error(ours, theirs) <= TOLERANCE
    assert error(net.eval()(one)[:, :200], logits(peer.eval(), one)) <= TOLERANCE


def test_what_is_learnt_starts_as_nothing_and_is_all_that_takes_memory():
    config = adapted_config()
    net = build_decoder(config).eval()
    peer = peft_peer(net, config)
    for name, parameter in pairs(net).items():
        if "lora_B" in name:
            assert not parameter.any()
        else:
            bound = parameter.shape[1] ** -0.5
            assert 0.9 * bound < parameter.abs().max() <= bound
    plain = build_decoder(dataclasses.replace(config, lora=LoraConfig()), initialise=False).eval()
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if ".lora_" not in name})
    assert torch.equal(net(pack()), plain(pack()))

    training = Training(net)
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    count, total = peer.get_nb_trainable_parameters()
    assert sum(parameter.numel() for parameter in learnt) == count < total / 4
    moments = [
        state[key].numel() for state in training.optimizer.optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")
    ]
    assert sum(moments) == 2 * count
    # Megatron-Core fills its buffer of gradients up to whole blocks of memory.
    assert sum(buffer.grad_data.numel() for buffer in training.model.buffers) < count + 128 * len(learnt)


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_leaves_the_gradients(recompute):
    config = adapted_config()
    plain = Training(adapted_net(config))
    expected = plain.step(0)
    parallel = ParallelConfig(threads=1, recompute=recompute)
    startup.start(parallel, seed=0)
    training = Training(adapted_net(config), parallel)
    found = training.step(0)
    assert (found.loss, found.grad_norm) == pytest.approx((expected.loss, expected.grad_norm), rel=1e-6)
    for name, parameter in pairs(training.net).items():
        assert error(parameter.main_grad, pairs(plain.net)[name].main_grad) <= 1e-5, name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_checkpoint_holds_the_pairs(precision, tmp_path):
    config = adapted_config(dropout=0.1)
    parallel = ParallelConfig(threads=1, precision=precision)
    startup.start(parallel, seed=0)
    training = Training(adapted_net(config), parallel)
    training.step(0)
    checkpoint.save(tmp_path, training.model, training.optimizer, {"step": 1})
    expected = [training.step(index) for index in (1, 2)]
    startup.start(parallel, seed=7)
    again = Training(adapted_net(config, seed=7), parallel)
    again.step(5)
    checkpoint.load(tmp_path, again.model, again.optimizer)
    assert [again.step(index) for index in (1, 2)] == expected
    assert all(
        torch.equal(one, other) for one, other in zip(again.net.parameters(), training.net.parameters(), strict=True)
    )


def test_a_checkpoint_without_pairs_is_another_net(tmp_path):
    config = adapted_config()
    plain = Training(build_decoder(dataclasses.replace(config, lora=LoraConfig())))
    checkpoint.save(tmp_path, plain.model, plain.optimizer, {})
    training = Training(build_decoder(config))
    with pytest.raises(UserError, match=r"it has no tensor decoder\.layers\.0\.mlp\.linear_fc1\.lora_a\.gate_proj"):
        checkpoint.load(tmp_path, training.model, training.optimizer)


@pytest.mark.parametrize(
    ("family", "lora", "says"),
    [
        (
            "qwen3",
            {"targets": ["q_proj", "gat_proj"]},
            "names gat_proj, which qwen3 has not; take some of q_proj, .*did you mean 'gate_proj'",
        ),
        ("phi", {}, "names o_proj, which phi has not; take some of q_proj, k_proj, v_proj, dense, fc1, fc2$"),
        ("llama", {"targets": ["fc1"]}, "names fc1, which llama has not; take some of .*down_proj$"),
        ("qwen3", {"targets": []}, "targets is empty; name some of"),
        ("qwen3", {"rank": -1}, "rank=-1 must be at least 0"),
        ("qwen3", {"alpha": 0.0}, "alpha=0 must be above 0"),
        ("qwen3", {"dropout": 1.0}, "dropout=1 must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused(family, lora, says):
    config = dataclasses.replace(SMALL[family], lora=LoraConfig(**{"rank": 4, **lora}))
    with pytest.raises(UserError, match=says):
        build_decoder(config)
