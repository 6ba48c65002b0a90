"""The learning rate of every step of a training: torch's schedulers, as one function for all paths."""

import math

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

WARMUP_START = 0.01  # of the rate: `lr_warmup_decay` of torchvision's reference scripts
STEP_FACTOR, STEP_THIRDS = 0.1, 3
# Defaults of torch.optim.lr_scheduler.OneCycleLR.
RISE, DIVISOR, FINAL_DIVISOR = 0.3, 25.0, 1e4


def learning_rates(
    schedule: str, base: float | Doubles, steps: int, warmup_steps: int = 0
) -> Doubles:
    """Return the rate of each of S steps: (S,), or (S, ...) for an array of rates.

    The rates are computed as torch's schedulers compute them, one from the one before where they do
    so, and therefore equal theirs in every digit: `CosineAnnealingLR` and `LinearLR` to 0 at the end,
    `StepLR` by 0.1 after each third, `OneCycleLR` with its defaults but the momentum; before them, in
    `warmup_steps`, `LinearLR` from a hundredth, joined by `SequentialLR`.

    Args:
        schedule: one of `config.recipe.SCHEDULES`.
        base: the configured learning rates.
        steps: S, all that the training may take.
    """
    rates = np.empty((steps, *np.shape(base)))
    rates[:warmup_steps] = _linear(base, WARMUP_START, 1.0, warmup_steps)[:warmup_steps]
    rest = steps - warmup_steps
    if schedule == "cosine":
        rates[warmup_steps:] = _cosine(base, rest)
    elif schedule == "linear":
        rates[warmup_steps:] = _linear(base, 1.0, 0.0, rest)
    elif schedule == "step":
        rates[warmup_steps:] = _steps(base, rest)
    elif schedule == "one_cycle":
        rates[warmup_steps:] = _one_cycle(base, rest)
    else:
        rates[warmup_steps:] = base
    return rates


def _cosine(base: float | Doubles, steps: int) -> Doubles:
    rates = np.empty((steps, *np.shape(base)))
    rate: float | Doubles = base
    for step in range(steps):
        if step:
            now, before = (1 + math.cos(math.pi * t / steps) for t in (step, step - 1))
            rate = now / before * rate
        rates[step] = rate
    return rates


def _linear(base: float | Doubles, start: float, end: float, steps: int) -> Doubles:
    rates = np.empty((steps, *np.shape(base)))
    rate = base * start
    for step in range(steps):
        if step:
            rate = rate * (1.0 + (end - start) / (steps * start + (step - 1) * (end - start)))
        rates[step] = rate
    return rates


def _steps(base: float | Doubles, steps: int) -> Doubles:
    third = -(-steps // STEP_THIRDS)
    rates = np.empty((steps, *np.shape(base)))
    rate: float | Doubles = base
    for step in range(steps):
        if step and step % third == 0:
            rate = rate * STEP_FACTOR
        rates[step] = rate
    return rates


def _one_cycle(base: float | Doubles, steps: int) -> Doubles:
    rates = np.empty((steps, *np.shape(base)))
    first = base / DIVISOR
    last = first / FINAL_DIVISOR
    peak = float(RISE * steps) - 1
    for step in range(steps):
        rising = step <= peak
        share = step / peak if rising and peak else (step - peak) / (steps - 1 - peak)
        begin, end = (first, base) if rising else (base, last)
        rates[step] = end + (begin - end) / 2.0 * (1 + math.cos(math.pi * share))
    return rates
