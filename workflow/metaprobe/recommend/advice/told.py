"""An advice in words."""

from collections.abc import Mapping
from typing import Any

from metaprobe.core.text_table import aligned

SHOWN = 8


def to_text(advice: Mapping[str, Any]) -> str:
    """Return the advice as it is printed: what, how sure, why, and what to do next."""
    trained = advice["trained"]
    how = (
        f"{advice['validation_accuracy']:.3f} on {advice['validation_images']} validation pictures"
        if trained
        else "not trained yet: the number is expected from its features and from other tasks"
    )
    rows = [("configuration", "expected", "+/-", "on validation pictures")]
    rows += [
        (
            one["configuration"],
            f"{one['expected_accuracy']:.3f}",
            f"{2 * one['deviation']:.3f}",
            "" if one["validation_accuracy"] is None else f"{one['validation_accuracy']:.3f}",
        )
        for one in advice["ranked"][:SHOWN]
    ]
    families = advice["families_learned_from"]
    learned = (
        f"learned from {families} families of finished tasks"
        if families
        else "no finished tasks to learn from: larger networks are expected to be better, until tried"
    )
    lines = [
        f"{advice['task_id']}: take {advice['configuration']}",
        f"  expected accuracy {advice['expected_accuracy']:.3f} ({how})",
        f"  {advice['seconds']:.0f} of {advice['budget_seconds']:.0f} seconds used; {learned}",
        "",
        *aligned(rows),
    ]
    if len(advice["ranked"]) > SHOWN:
        lines.append(f"… and {len(advice['ranked']) - SHOWN} more")
    lines += [f"left out: {reason}" for reason in advice["left_out"].values()]
    if advice["weights"] == "random":
        lines.append(
            "warning: the backbones have random weights: this shows how advice is made; do not "
            "follow it"
        )
    return "\n".join(lines)
