"""What runs a frozen backbone, and where: torch, or OpenVINO, which is faster on CPUs and optional."""

import ctypes
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.errors import UserError
from metaprobe.core.provenance import versions
from metaprobe.data.transforms import normalise

if TYPE_CHECKING:
    import torch

    from metaprobe.features.backbones import Ready

CPU_BATCH = 16  # as fast as 32 in less memory; below it, kernels and last digits are others
# GFLOP of a picture, at least -> the batch that OpenVINO is fastest with: measured on the three of the
# table. Small ones are fastest in the smallest cache; of large ones more pictures only take memory.
OPENVINO_BATCHES = {0: 4, 1: 32, 4: 8}
CHANNELS_LAST_SHARE = 0.5  # of the weights in convolutions; transformers only lose by it
GPU_BATCH = 256  # many, to keep a card busy; not tuned, and halved where its memory is small

# Options of glibc's mallopt (malloc.h) and their values. By default each large block is mapped anew
# and given back when it is freed, so that every activation of every batch is faulted in page by page.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
KEEP_FREED = {
    M_MMAP_MAX: 0,  # no block is mapped by itself
    M_TRIM_THRESHOLD: 2**31 - 1,  # the largest there is: nothing is given back
    M_TOP_PAD: 300_000_000,  # bytes asked for at once, so that it is seldom done
}

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]


class Engine(Protocol):
    """A backbone that is ready to run.

    Attributes:
        metadata: its name and version.
        batch_images: how many images it is best given at once; may be lowered.

    An engine is made of a backbone that is ready, the device, the precision (`float32` or
    `bfloat16`) and the number of CPU threads; a UserError says what it cannot do.
    """

    metadata: dict[str, str]
    batch_images: int

    def __call__(self, pixels: Pixels) -> Features:
        """Return the features (N, D) of images (N, 3, S, S).

        Their last digits depend on N, as libraries choose their kernels by it.
        """


class TorchEngine:
    """torch in evaluation mode: BatchNorm folded into the convolutions, and where most of the work is
    theirs, channels last; attention by torch's fused kernel.
    """

    def __init__(
        self,
        backbone: "Ready",
        device: "torch.device",
        precision: str,
        threads: int,
        folding: bool = True,
    ) -> None:
        import torch

        from metaprobe.features.folding import fold

        torch.set_num_threads(threads)
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # not TF32
        self.metadata = {"name": "torch", "version": versions("torch")["torch"]}
        self.batch_images = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        self.device, self.precision = device, precision
        self.preprocessing = backbone.preprocessing
        side = self.preprocessing.size
        if folding:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                fold(backbone.network, torch.rand(2, 3, side, side))
        last = convolutional_share(backbone.network) > CHANNELS_LAST_SHARE
        self.format = torch.channels_last if last else torch.contiguous_format
        self.network = backbone.network.to(device).to(memory_format=self.format)

    def __call__(self, pixels: Pixels) -> Features:
        """See `Engine`."""
        import torch

        batch = torch.from_numpy(pixels)
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        images = normalise(batch.to(self.device), self.preprocessing)
        images = images.contiguous(memory_format=self.format)
        half = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            features: torch.Tensor = self.network(images)
        return features.float().cpu().numpy()


class OpenVINOEngine:
    """OpenVINO on the CPU, compiled anew for batches of another size."""

    def __init__(
        self,
        backbone: "Ready",
        device: "torch.device",
        precision: str,
        threads: int,
    ) -> None:
        import torch

        if device.type != "cpu":
            raise UserError(f"engine: openvino runs on the CPU, not on {device}: set device: cpu")
        openvino = import_openvino()
        self.metadata = {"name": "openvino", "version": versions("openvino")["openvino"]}
        self.batch_images = openvino_batch(backbone.gflop)
        self.preprocessing = backbone.preprocessing
        side = self.side = self.preprocessing.size
        self.core = openvino.Core()
        try:
            self.model = openvino.convert_model(
                backbone.network,
                example_input=torch.zeros(1, 3, side, side),
                input=(-1, 3, side, side),
            )
        except Exception as error:  # whatever its converter may raise
            said = " ".join(str(error).split())[:200]
            raise UserError(
                f"engine: openvino cannot run this network ({said}): set engine: torch"
            ) from None
        self.options = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # two jobs would pin themselves to one core
        }
        self.compiled_batch = 0

    def __call__(self, pixels: Pixels) -> Features:
        """See `Engine`."""
        import torch

        if len(pixels) != self.compiled_batch:
            self.model.reshape([len(pixels), 3, self.side, self.side])
            self.network = self.core.compile_model(self.model, "CPU", self.options)
            self.compiled_batch = len(pixels)
        images = normalise(torch.from_numpy(pixels), self.preprocessing).numpy()
        return np.array(self.network(images)[0], np.float32)


def openvino_batch(gflop: float) -> int:
    """Return how many images OpenVINO is best given at once, of a network of so many GFLOP."""
    return next(batch for least, batch in reversed(OPENVINO_BATCHES.items()) if gflop >= least)


def convolutional_share(network: "torch.nn.Module") -> float:
    """Return the share of the weights of a network that is in its convolutions."""
    import torch

    convolutions = [one for one in network.modules() if isinstance(one, torch.nn.Conv2d)]
    inside = sum(one.weight.numel() for one in convolutions)
    return inside / max(1, sum(one.numel() for one in network.parameters()))


def import_openvino() -> Any:
    """Return the package, kept from sending its usage statistics; a UserError if there is none."""
    # An import of it then fails, and openvino does without. Its own switch is a file in the user's
    # home, which is not ours to write.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError:
        raise UserError(
            'engine: openvino is not installed: pip install "openvino", or set engine: torch'
        ) from None
    return openvino


ENGINES: dict[str, Callable[..., Engine]] = {"torch": TorchEngine, "openvino": OpenVINOEngine}


def choose_device(name: str) -> "torch.device":
    """Return the device: `auto` is CUDA where there is one, then Apple's MPS, then the CPU.

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
    """Return `cpu`, or the device and the name of the card."""
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
    libc = ctypes.CDLL(None)
    for option, value in KEEP_FREED.items():
        libc.mallopt(option, value)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether this is how Python, torch or a GPU says that memory has run out."""
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
