"""Where training computes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from semalign_ros.errors import DeviceError
from semalign_ros.train.settings import Precision

T = TypeVar("T")
CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the GPU where torch finds one.

    Raises:
        DeviceError: The GPU is asked for and torch finds none.
    """
    usable = torch.cuda.is_available()
    if name == "cuda" and not usable:
        raise DeviceError(
            f"--device cuda: torch {torch.__version__} finds no CUDA GPU; install a torch built "
            "for CUDA and the driver, or give --device cpu"
        )
    return torch.device("cuda" if usable and name != "cpu" else "cpu")


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers below float's normal range as 0: with them a CPU is many times as slow.

    It is a state of the whole process, which other code need not expect.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def arithmetic(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context in which layers compute in a precision; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def device_of(module: nn.Module) -> torch.device:
    """Device of a module's parameters."""
    return next(module.parameters()).device


def moved(batch: T, device: torch.device) -> T:
    """Copy a batch to a device: a tensor, or a tuple or dataclass of such."""
    found: Any = batch
    if isinstance(found, Tensor):
        found = found.to(device, non_blocking=True)
    elif isinstance(found, tuple):
        found = tuple(moved(part, device) for part in found)
    elif dataclasses.is_dataclass(found) and not isinstance(found, type):
        names = [f.name for f in dataclasses.fields(found)]
        found = dataclasses.replace(found, **{n: moved(getattr(found, n), device) for n in names})
    return found  # type: ignore[no-any-return]
