"""The model as ONNX: pixels (N, 3, S, S) uint8 to logits and probabilities (N, C), N as it comes.

To be imported where it is used, as it imports torch.
"""

import warnings
from pathlib import Path

import torch

from metaprobe.export.network import Model

OPSET = 17  # of 2022: what runs it may be that old
EXAMPLES = 2  # with one picture, the axis of pictures could be taken for one of length 1


class _WithProbabilities(torch.nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.model(pixels)
        return logits, logits.softmax(1)


def write_onnx(path: Path, model: Model, side: int) -> None:
    """Write a model that sees pictures of `side` × `side`, in single precision.

    By torch's older exporter, which traces: the newer one needs one more package and takes several times
    as long, for the same digits.
    """
    names = {"pixels": ["pixels"], "told": ["logits", "probabilities"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is the older one; and what a trace holds fixed
        torch.onnx.export(
            _WithProbabilities(model).eval(),
            (torch.zeros(EXAMPLES, 3, side, side, dtype=torch.uint8),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=names["pixels"],
            output_names=names["told"],
            dynamic_axes={name: {0: "N"} for one in names.values() for name in one},
        )
