"""Megatron-Core's process state: start-up, parallel layout, optimizer, training step, checkpoints.

Import this package before `megatron.core`: on a machine without CUDA it halves the time of that import.
"""

import importlib
import warnings

import torch


def _import_core() -> None:
    """Import Megatron-Core once, without what it would load in vain.

    It marks functions for `torch.compile` as it is imported, which loads the whole compiler (seconds), and on the CPU
    would need a C++ compiler the first time that one of them runs. Where no CUDA exists they stay plain functions."""
    warnings.filterwarnings(
        "ignore", message="Transformer Engine and Apex are not installed"
    )  # optional: `jobs.doctor` reports them
    warnings.filterwarnings("ignore", message="Apex is not installed")
    warnings.filterwarnings("ignore", message="If you are using transformer_engine as the transformer implementation")
    for module in (
        r"megatron\.core\.",
        r"torch\.distributed\.",
    ):  # of calls that Megatron-Core makes, and nobody here can change
        warnings.filterwarnings("ignore", category=FutureWarning, module=module)
    plain = torch.compile
    if not torch.cuda.is_available():
        torch.compile = lambda function=None, **_: function or (lambda function: function)
    try:
        importlib.import_module("megatron.core")
    finally:
        torch.compile = plain


_import_core()
