"""Each backbone of config/backbones-24.yaml and the three as a model: seconds, megabytes, agreement.

`python -m benchmarks.exports`; about ten minutes on one core. Weights are random, but for no BatchNorm's
statistics, and there are ten classes. The difference is of the logits of five pictures of noise between
ONNX Runtime and torch, relative to the largest.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.every_backbone import declared

CLASSES, PICTURES = 10, 5


def main() -> None:
    """Print a row per backbone."""
    import torch
    from metaprobe.config.backbones import parse_backbone
    from metaprobe.export.onnx_file import write_onnx
    from metaprobe.export.whole import whole_network
    from metaprobe.features import random_weights
    from metaprobe.features.backbones import prepare

    torch.set_num_threads(1)
    random_weights._measure_statistics = lambda *_: None
    draws = np.random.default_rng(0)
    print(f"{'backbone':<20}{'seconds':>9}{'MB':>8}{'ms a picture':>14}{'difference':>12}")
    for name, entry in declared().items():
        backbone = parse_backbone(entry)
        ready = prepare(backbone, weights="random", seed=0, receipt=None, folder=Path())
        head = {"weight": draws.normal(size=(1, CLASSES, ready.width)) / ready.width**0.5}
        head["bias"] = np.zeros((1, CLASSES))
        model, _ = whole_network(ready, backbone, False, {}, head)
        side = ready.preprocessing.size
        pixels = draws.integers(0, 256, (PICTURES, 3, side, side), dtype=np.uint8)
        with torch.inference_mode():
            expected = model(torch.from_numpy(pixels)).numpy()
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            start = time.process_time()
            write_onnx(folder / "model.onnx", model, side)
            seconds = time.process_time() - start
            found, milliseconds = run(folder / "model.onnx", pixels)
            megabytes = (folder / "model.onnx").stat().st_size / 1e6
        apart = np.abs(found - expected).max() / np.abs(expected).max()
        print(
            f"{name:<20}{seconds:>9.1f}{megabytes:>8.1f}{milliseconds:>14.1f}{apart:>12.1e}",
            flush=True,
        )


def run(file: Path, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the logits of pictures, one at a time as `predict.py` has them, and ms per picture."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    session.run(None, {"pixels": pixels[:1]})
    start = time.process_time()
    found = [session.run(["logits"], {"pixels": one[None]})[0] for one in pixels]
    return np.concatenate(found), (time.process_time() - start) * 1000 / len(pixels)


if __name__ == "__main__":
    main()
