"""An advice as its file holds it, and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metaprobe.core.text_table import aligned
from metaprobe.recommend.advice.policy import Policy, State

SHOWN = 8
RANDOM = (
    "warning: the backbones have random weights: this shows how advice is made; do not follow it"
)


def choice(policy: Policy, state: State) -> dict[str, Any]:
    """Return what would be taken, and all candidates, the best first; what is left out comes last."""
    candidates, belief = policy.lessons.candidates, policy.belief(state)
    ids = candidates.configurations
    out = np.ones(len(ids), bool)
    out[policy.options] = False

    def told(number: int) -> dict[str, Any]:
        trained = number in state.trained
        images = state.judged_on.get(number, policy.validation_images)
        return {
            "configuration": ids[number],
            "expected_accuracy": float(belief.mean[number]),
            "deviation": belief.deviation(policy.lessons.own_weights(number)),
            "validation_accuracy": state.trained.get(number),
            "validation_images": images if trained else None,
        }

    ranked = np.lexsort((-belief.mean[: len(ids)], out)).tolist()
    best = ranked[0]
    return {
        **told(best),
        "architecture": candidates.backbones[int(candidates.backbone_of[best])],
        "hyperparameters": dict(candidates.hyperparameters[ids[best]]),
        "trained": best in state.trained,
        "ranked": [told(number) for number in ranked],
        "families_learned_from": policy.lessons.families,
    }


def to_text(advice: Mapping[str, Any]) -> str:
    """Return the advice as it is printed: what, how sure, why, and what to do next."""
    seconds, budget = advice["seconds"], advice["budget_seconds"]
    lines = [
        f"{advice['task_id']}: take {advice['configuration']}",
        f"  expected accuracy {advice['expected_accuracy']:.3f} ({_how(advice)})",
        f"  {seconds:.0f} of {budget:.0f} seconds used; {_learned(advice)}",
        "",
        *aligned([("configuration", "expected", "+/-", "on validation pictures"), *_rows(advice)]),
    ]
    if len(advice["ranked"]) > SHOWN:
        lines.append(f"… and {len(advice['ranked']) - SHOWN} more")
    out = [*advice["left_out"].values(), *advice["failed"].values()]
    lines += [f"left out: {reason}" for reason in out]
    return "\n".join([*lines, *([RANDOM] if advice["weights"] == "random" else [])])


def _how(advice: Mapping[str, Any]) -> str:
    if not advice["trained"]:
        return "not trained yet: the number is expected from its features and from other tasks"
    accuracy, images = advice["validation_accuracy"], advice["validation_images"]
    return f"{accuracy:.3f} on {images} validation pictures"


def _learned(advice: Mapping[str, Any]) -> str:
    if families := advice["families_learned_from"]:
        return f"learned from {families} famil{'y' if families == 1 else 'ies'} of finished tasks"
    return "no finished tasks to learn from: larger networks are expected to be better, until tried"


def _rows(advice: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            one["configuration"],
            f"{one['expected_accuracy']:.3f}",
            f"{2 * one['deviation']:.3f}",
            _validated(one),
        )
        for one in advice["ranked"][:SHOWN]
    ]


def _validated(one: Mapping[str, Any]) -> str:
    if one["validation_accuracy"] is None:
        return ""
    return f"{one['validation_accuracy']:.3f} of {one['validation_images']}"
