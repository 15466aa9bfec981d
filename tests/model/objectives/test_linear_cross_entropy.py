"""The chunked head and loss against PyTorch's over whole logits, and what it holds in memory."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from model.objectives.linear_cross_entropy import IGNORED, linear_cross_entropy

TOKENS, HIDDEN, VOCABULARY, ROWS = 37, 16, 200, 256


def draw(bias=False, dtype=torch.float32, ignored=True):
    """Hidden states, a table with more rows than tokens in the vocabulary (those huge), a bias, labels of which some
    are ignored."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, HIDDEN, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(ROWS, HIDDEN, generator=generator)
    weight[VOCABULARY:] *= 100
    weight = weight.to(dtype).requires_grad_()
    bias = torch.randn(ROWS, generator=generator).to(dtype).requires_grad_() if bias else None
    labels = torch.randint(VOCABULARY, (TOKENS,), generator=generator)
    if ignored:
        labels[::5] = IGNORED
    return hidden, weight, bias, labels


def whole(hidden, weight, bias, labels, z_loss=0.0):
    """The same by plain operators in fp32: total, losses by token, logits."""
    logits = F.linear(hidden.float(), weight.float(), None if bias is None else bias.float())[:, :VOCABULARY]
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    return losses.sum() + z_loss * (logits.logsumexp(1)[labels >= 0] ** 2).sum(), losses, logits


def gradients(total, parameters):
    return torch.autograd.grad(3.0 * total, [parameter for parameter in parameters if parameter is not None])


def relative(found, expected):
    found, expected = found.detach().float(), expected.detach().float()
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("chunk", [1, 8, TOKENS, 1000])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("z_loss", [0.0, 0.3])
def test_values_and_gradients(chunk, bias, z_loss):
    *parameters, labels = draw(bias)
    found = linear_cross_entropy(*parameters, labels, VOCABULARY, z_loss, chunk)
    total, losses, logits = whole(*parameters, labels, z_loss)
    assert found.total.dtype == torch.float32 and found.total.item() == pytest.approx(total.item(), rel=1e-6)
    torch.testing.assert_close(found.by_token, losses.detach(), rtol=1e-5, atol=1e-5)
    assert not found.by_token.requires_grad and found.correct.dtype == torch.int64
    for ours, theirs in zip(gradients(found.total, parameters), gradients(total, parameters), strict=True):
        assert relative(ours, theirs) < 1e-5
        assert ours.shape[0] != ROWS or not ours[VOCABULARY:].any()


def test_correct_are_those_with_the_greatest_logit():
    hidden, weight, _, labels = draw()
    best = whole(hidden, weight, None, labels)[2].argmax(1)
    labels = torch.where((torch.arange(TOKENS) % 3 == 0) & (labels >= 0), best, labels)
    found = linear_cross_entropy(hidden, weight, None, labels, VOCABULARY, chunk_tokens=8)
    assert found.correct.item() == (labels == best).sum().item() > 5


def test_losses_of_extreme_logits_are_exact():
    """A label whose probability is below what fp32 can hold, and one that is certain."""
    hidden, weight = torch.eye(2), torch.tensor([[300.0, 0.0], [0.0, 0.0]])
    losses = linear_cross_entropy(hidden, weight, None, torch.tensor([1, 0]), 2).by_token
    assert losses.tolist() == pytest.approx([300.0, math.log(2)], rel=1e-6)
    assert linear_cross_entropy(hidden, weight, None, torch.tensor([0, 0]), 2).by_token[0] == 0.0


def test_bf16_is_as_near_to_fp32_as_pytorch_is():
    """Weights in bf16: sums over many chunks must not be rounded at each of them."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(4096, 32).bfloat16().requires_grad_(), torch.randn(300, 32).bfloat16().requires_grad_()
    labels = torch.randint(300, (4096,))
    found = linear_cross_entropy(hidden, weight, None, labels, 300, chunk_tokens=32)
    expected = F.cross_entropy(hidden.float() @ weight.float().T, labels, reduction="sum")
    peer = F.cross_entropy((hidden @ weight.T).float(), labels, reduction="sum")
    assert relative(found.total, expected) < 1e-3
    of_each = [torch.autograd.grad(total, (hidden, weight)) for total in (found.total, peer, expected)]
    for ours, theirs, true in zip(*of_each, strict=True):
        assert ours.dtype == torch.bfloat16
        assert relative(ours, true) < max(1.5 * relative(theirs, true), 4e-3)


class Seen(TorchDispatchMode):
    """Sizes of the tensors that operators make, and how many matrix products there are."""

    def __init__(self):
        super().__init__()
        self.largest, self.products = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self.products += function.overloadpacket._qualified_op_name in ("aten::mm", "aten::addmm_", "aten::addmm")
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        return made


def watched(chunk, *, grad=True, frozen=False):
    """What is seen of 512 tokens, 1024 rows of 8, forward and backward."""
    hidden, weight = torch.randn(512, 8, requires_grad=True), torch.randn(1024, 8, requires_grad=not frozen)
    with Seen() as seen, torch.set_grad_enabled(grad):
        total = linear_cross_entropy(hidden, weight, None, torch.randint(1024, (512,)), 1024, 1e-4, chunk).total
        if grad:
            total.backward()
    return seen


def test_logits_of_all_tokens_are_never_held():
    assert watched(chunk=32).largest == 32 * 1024
    assert watched(chunk=512).largest == 512 * 1024  # the watch would see them
    assert watched(chunk=8).largest == 1024 * 8  # the gradient of the table


def test_gradients_that_nobody_wants_are_not_computed():
    assert watched(chunk=64).products == 3 * 8
    assert watched(chunk=64, frozen=True).products == 2 * 8
    assert watched(chunk=64, grad=False).products == 8


def test_backward_runs_once():
    *parameters, labels = draw()
    total = linear_cross_entropy(*parameters, labels, VOCABULARY).total
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss again"):
        total.backward()


def test_nothing_to_predict():
    hidden, weight, _, labels = draw()
    for some in (slice(0, 0), slice(0, TOKENS)):
        found = linear_cross_entropy(
            hidden[some], weight, None, torch.full_like(labels, IGNORED)[some], VOCABULARY, 0.1
        )
        assert found.total.item() == found.correct.item() == 0
        assert not any(gradient.any() for gradient in torch.autograd.grad(found.total, (hidden, weight)))
