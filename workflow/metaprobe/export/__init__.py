"""A model to take away: ONNX, weights, the programs that go with them, a card."""

from pathlib import Path

# Copied into each model as they are: they import nothing of this package.
PROGRAMS = tuple(Path(__file__).with_name(name) for name in ("network.py", "predict.py"))
