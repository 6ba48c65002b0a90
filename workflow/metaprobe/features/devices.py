"""Where and in what memory a backbone runs: the device, and what to do when memory runs out."""

import ctypes
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

from metaprobe.core.errors import UserError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> "torch.device":
    """`auto` is CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        UserError: the device asked for by name is not there.
    """
    import torch

    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        name = next(device for device, available in there.items() if available())
    elif not there[name]():
        raise UserError(f"device: {name} is not available on this machine; use auto or cpu")
    return torch.device(name)


def describe_device(device: "torch.device") -> str:
    """`cpu`, or the device and the name of the card."""
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return str(device)


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed activations instead of faulting it in again.

    Worth a factor of two for the mobile networks on Linux; elsewhere it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 300_000_000)


def is_out_of_memory(error: Exception) -> bool:
    """Whether this is how Python, torch or a GPU says that memory has run out."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    told = (
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        "bad_alloc",
        "ALLOC_FAILED",  # cuDNN, cuBLAS
        "could not create a primitive",  # oneDNN, of its kernels and scratch memory
    )
    return isinstance(error, RuntimeError) and any(words in str(error) for words in told)
