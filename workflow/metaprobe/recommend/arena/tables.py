"""The arena and the judgement of advice as they are written: rows, sentences, notes."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from metaprobe.recommend.arena.advice_rows import COLUMNS as ADVICE_COLUMNS
from metaprobe.recommend.arena.advice_rows import advice_rows, advice_verdict
from metaprobe.recommend.arena.judgement import COLUMNS, judge, verdict
from metaprobe.recommend.arena.reading import Finished
from metaprobe.tables.families import FEWEST_FAMILIES

DECIMALS = 4


def judge_run(finished: Finished, seed: int) -> dict[str, Any]:
    """Return the content of `arena.json`: `arena`, `advice`, `details`, `sentences` and `notes`."""
    entrants, targets = finished.entrants(), finished.targets()
    arena = judge(entrants, targets, seed)
    chosen_on = "test" if finished.chosen_by is None else "validation"
    advice, details = advice_rows(finished.candidates, finished.known(), seed, chosen_on=chosen_on)
    return {
        "arena": arena,
        "advice": advice,
        "details": details,
        "sentences": [verdict(arena), advice_verdict(advice)],
        "notes": list(_notes(finished)),
    }


def _notes(finished: Finished) -> Sequence[str]:
    """Return what a reader must know before he believes the tables."""
    notes = []
    families, backbones = len(set(finished.families)), len(finished.candidates.backbones)
    if families < FEWEST_FAMILIES:
        notes.append(
            f"only {families} families of tasks: with fewer than {FEWEST_FAMILIES} no test can fall "
            "below 0.05, and no interval is given"
        )
    if backbones < 3:
        notes.append(f"only {backbones} backbones: at least 3 are needed to judge an order of them")
    if finished.chosen_by is None:
        notes.append(
            "not all configurations have validation images: where something is trained and chosen, "
            "it is chosen on the test images, so that trying everything looks rather too good"
        )
    unranked = [name for name, one in finished.facts.items() if one["no_classifier"]]
    if unranked:
        notes.append(f"NCE and LEEP leave out what has no classifier: {', '.join(unranked)}")
    return notes


def as_tables(judged: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `arena.csv` and `advice_evaluation.csv`, rounded to four decimals."""
    return (
        pd.DataFrame(map(_rounded, judged["arena"]), columns=list(COLUMNS)),
        pd.DataFrame(map(_rounded, judged["advice"]), columns=list(ADVICE_COLUMNS)),
    )


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, DECIMALS) if isinstance(v, float) else v for k, v in row.items()}
