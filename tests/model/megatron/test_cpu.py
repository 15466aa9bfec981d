"""The CPU redirect: what it sends where, and that it touches nothing where there is CUDA."""

import pytest
import torch
from megatron.core import package_info

from common.errors import UserError
from model.megatron import cpu

INERT = """
import torch
torch.cuda.is_available = lambda: True  # as on a machine with a GPU
from model.megatron import cpu
before = [getattr(owner, name, None) for owner, name, _ in cpu.PATCHES]
assert cpu.install() is False
changed = [name for (owner, name, _), was in zip(cpu.PATCHES, before) if getattr(owner, name, None) is not was]
assert torch.compile.__module__ == "torch"
from megatron.core import jit
assert jit.jit_fuser is torch.compile
print(len(before), changed)
"""


def test_inert_under_cuda(python):
    assert python("-c", INERT)[-1] == f"{len(cpu.PATCHES)} []"


def test_cuda_means_the_cpu():
    for tensor in (
        torch.zeros(2, device="cuda"),
        torch.ones(2, device=torch.device("cuda", 3)),
        torch.tensor([1.0], device=torch.cuda.current_device()),
        torch.empty_like(torch.ones(2), device="cuda"),
        torch.ones(2).cuda(),
        torch.ones(2).to(torch.cuda.current_device()),
    ):
        assert tensor.device.type == "cpu"
    assert torch.cuda.synchronize() is None


def test_type_names_are_cuda_for_megatron_alone():
    assert torch.ones(1).type() == "torch.FloatTensor"
    assert torch.ones(1).type(torch.float64).dtype is torch.float64
    seen = {}
    exec("name = tensor.type()", {"__name__": "megatron.core.optimizer", "tensor": torch.ones(1)}, seen)  # noqa: S102 - stands for a module
    assert seen == {"name": "torch.cuda.FloatTensor"}


def test_other_devices_stay_what_they_are():
    assert torch.zeros(2, device="meta").device.type == "meta"
    with torch.device("meta"):
        assert {
            torch.zeros(2).device.type,
            torch.tensor([1]).device.type,
            torch.nn.Linear(2, 2).weight.device.type,
        } == {"meta"}


def test_scripted_functions_of_other_packages_compile():
    class Zeros(torch.nn.Module):
        def forward(self, n: int) -> torch.Tensor:
            return torch.zeros(n) + torch.ones(n)

    assert torch.jit.script(Zeros())(2).tolist() == [1, 1]


def test_the_device_generator_is_the_cpu_one():
    torch.cuda.manual_seed(3)
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(2), first)
    assert torch.equal(torch.cuda.get_rng_state(), torch.get_rng_state())


def test_installing_again_changes_nothing():
    patched = [getattr(owner, name, None) for owner, name, _ in cpu.PATCHES]
    assert cpu.install() is True
    assert (
        [getattr(owner, name, None) for owner, name, _ in cpu.PATCHES] == patched == [new for _, _, new in cpu.PATCHES]
    )


def test_another_megatron_is_refused(monkeypatch):
    monkeypatch.setattr(package_info, "__version__", "0.17.0")
    with pytest.raises(UserError, match=r"megatron-core 0\.17\.0 .* install megatron-core 0\.16\.x"):
        cpu.install()
