"""What runs a frozen backbone: torch, or OpenVINO, which is faster on CPUs and optional."""

import sys
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from metaprobe.core.errors import UserError
from metaprobe.core.provenance import versions
from metaprobe.data.transforms import SIDE, normalise

if TYPE_CHECKING:
    import torch

CPU_BATCH = 16  # as fast as 32 in less memory; below it, kernels and last digits are others
GPU_BATCH = 256
OPENVINO_BATCH = {"ResNet18": 32}  # the mobile networks are fastest in the smallest cache
OPENVINO_MOBILE_BATCH = 4

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]


class Engine(Protocol):
    """A backbone that is ready to run.

    Attributes:
        facts: its name and version.
        batch_images: how many images it is best given at once; may be lowered.
    """

    facts: dict[str, str]
    batch_images: int

    def __call__(self, pixels: Pixels) -> Features:
        """Images (N, 3, 224, 224) → features (N, feature_width).

        Their last digits depend on N, as libraries choose their kernels by it.
        """


def build_engine(
    name: str,
    backbone: "torch.nn.Module",
    architecture: str,
    *,
    device: "torch.device",
    precision: str,
    threads: int,
) -> Engine:
    """The engine of that name.

    Args:
        name: `torch` or `openvino`.
        precision: `float32` or `bfloat16`.
        threads: of the CPU.

    Raises:
        UserError: OpenVINO is not installed, or asked for on a GPU.
    """
    if name == "torch":
        return TorchEngine(backbone, device, precision, threads)
    if device.type != "cpu":
        raise UserError(f"engine: openvino runs on the CPU, not on {device}: set device: cpu")
    batch = OPENVINO_BATCH.get(architecture, OPENVINO_MOBILE_BATCH)
    return OpenVINOEngine(backbone, batch, precision, threads)


class TorchEngine:
    """torch in evaluation mode: BatchNorm folded into the convolutions, channels last."""

    def __init__(
        self, backbone: "torch.nn.Module", device: "torch.device", precision: str, threads: int
    ) -> None:
        import torch
        from torch.fx.experimental.optimization import fuse

        torch.set_num_threads(threads)
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # not TF32
        self.facts = {"name": "torch", "version": versions("torch")["torch"]}
        self.batch_images = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        self.device, self.precision = device, precision
        network = fuse(backbone).to(device)
        self.network = network.to(memory_format=torch.channels_last)

    def __call__(self, pixels: Pixels) -> Features:
        """See `Engine`."""
        import torch

        batch = torch.from_numpy(pixels)
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        images = normalise(batch.to(self.device)).contiguous(memory_format=torch.channels_last)
        half = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            features: torch.Tensor = self.network(images)
        return features.float().cpu().numpy()


class OpenVINOEngine:
    """OpenVINO on the CPU, compiled anew for batches of another size."""

    def __init__(
        self, backbone: "torch.nn.Module", batch_images: int, precision: str, threads: int
    ) -> None:
        import torch

        openvino = import_openvino()
        self.facts = {"name": "openvino", "version": versions("openvino")["openvino"]}
        self.batch_images = batch_images
        self.core = openvino.Core()
        self.model = openvino.convert_model(
            backbone, example_input=torch.zeros(1, 3, SIDE, SIDE), input=(-1, 3, SIDE, SIDE)
        )
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
            self.model.reshape([len(pixels), 3, SIDE, SIDE])
            self.network = self.core.compile_model(self.model, "CPU", self.options)
            self.compiled_batch = len(pixels)
        return np.array(self.network(normalise(torch.from_numpy(pixels)).numpy())[0], np.float32)


def import_openvino() -> Any:
    """The package, kept from sending its usage statistics.

    Raises:
        UserError: it is not installed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError:
        raise UserError(
            'engine: openvino is not installed: pip install "openvino", or set engine: torch'
        ) from None
    return openvino
