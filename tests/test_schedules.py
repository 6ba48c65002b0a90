"""Learning rates: those of torch's schedulers, to the last digit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metaprobe.config.recipe import SCHEDULES
from metaprobe.training.schedules import learning_rates
from torch.optim import lr_scheduler as of_torch


def torchs(schedule: str, base: float, steps: int, warmup: int) -> list[float]:
    """The rates that torch's own schedulers give an optimiser, step by step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    rest = steps - warmup
    main = {
        "constant": lambda: of_torch.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: of_torch.CosineAnnealingLR(optimizer, T_max=rest),
        "linear": lambda: of_torch.LinearLR(
            optimizer, start_factor=1.0, end_factor=0.0, total_iters=rest
        ),
        "step": lambda: of_torch.StepLR(optimizer, step_size=-(-rest // 3)),
        "one_cycle": lambda: of_torch.OneCycleLR(
            optimizer, max_lr=base, total_steps=rest, cycle_momentum=False
        ),
    }[schedule]()
    scheduler = main
    if warmup:
        rise = of_torch.LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
        scheduler = of_torch.SequentialLR(optimizer, [rise, main], milestones=[warmup])
    found = []
    for step in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(max_examples=40, deadline=None)
@given(
    base=st.floats(1e-6, 10),
    steps=st.integers(2, 200),
    share=st.floats(0, 0.9),
)
def test_rates_are_torchs_in_every_digit(schedule: str, base: float, steps: int, share: float):
    """A schedule by epochs, one off by a step, or one that ends elsewhere."""
    warmup = 0 if schedule == "one_cycle" else int(share * steps)
    assert learning_rates(schedule, base, steps, warmup).tolist() == torchs(
        schedule, base, steps, warmup
    )


def test_many_rates_are_each_its_own() -> None:
    """A sweep whose schedules are of another head."""
    bases = np.array([[0.1], [0.003]])
    for schedule in SCHEDULES:
        together = learning_rates(schedule, bases, 17)
        assert together.shape == (17, 2, 1)
        for row, base in enumerate(bases[:, 0]):
            assert together[:, row, 0].tolist() == learning_rates(schedule, base, 17).tolist()
