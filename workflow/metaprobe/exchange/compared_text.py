"""A comparison of two runs, as a page of text and as one for a browser."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from metaprobe.core.files import write_text
from metaprobe.core.text_table import aligned
from metaprobe.exchange.compare import Compared, Experiment, Row

PAGE = Path(__file__).with_name("compare.html")
SHOWN = 20
ONE_SEED = (
    "With one replicate nothing is known of the spread over seeds: what another seed would move counts as"
    " moved. Runs with `replicates` tell the two apart."
)
HEADER = ("task", "configuration", "first", "second", "points", "95 %", "p (Holm)", "verdict")


def in_words(found: Compared) -> str:
    """Return the comparison as text: the verdict first, then what moved, settings, and who is alone."""
    shown = [one for one in found.rows if one.verdict != "same"][:SHOWN]
    lines = [verdict(found)]
    lines += ["", *aligned([HEADER, *map(cells, shown)])] if shown else []
    hidden = sum(one.verdict != "same" for one in found.rows) - len(shown)
    lines += [f"and {hidden} more that are not told apart, or moved less"] if hidden > 0 else []
    lines += ["", *settings(found)]
    lines += [*alone(found)]
    lines += ["", *notes(found)]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def verdict(found: Compared) -> str:
    """Return the sentence that the comparison comes to."""
    counts = Counter(one.verdict for one in found.rows)
    first, second = found.names
    if not found.rows:
        return f"{first} and {second} have no experiment in common."
    return (
        f"Of {len(found.rows)} experiments that {first} and {second} both have, {counts['moved']} moved"
        " by more than test images and seeds explain, "
        f"{counts['not told apart']} cannot be told apart, {counts['same']} are the same to the last digit."
    )


def cells(one: Row) -> tuple[str, ...]:
    """Return a row of the table of experiments; differences in accuracy points."""
    points, low, high = (f"{100 * value:+.2f}" for value in (one.difference, one.low, one.high))
    numbers = (
        f"{one.first:.4f}",
        f"{one.second:.4f}",
        points,
        f"{low} to {high}",
        f"{one.holm_p:.3g}",
    )
    return (one.task_id, one.configuration, *numbers, one.verdict)


def settings(found: Compared) -> Iterator[str]:
    """Yield what of the settings differs."""
    if not found.rows:
        return
    yield "Settings that differ:" if found.settings else "No setting differs."
    rows = [
        (name, one, other, f"{n} of {len(found.rows)}") for name, one, other, n in found.settings
    ]
    yield from aligned([("setting", "first", "second", "experiments"), *rows]) if rows else []


def alone(found: Compared) -> Iterator[str]:
    """Yield what one run has and the other has not."""
    for name, experiments in zip(found.names, found.alone, strict=True):
        if experiments:
            yield f"Only {name} has {len(experiments)}: {first_of(experiments)}"


def first_of(experiments: Sequence[Experiment]) -> str:
    """Return the first experiments by name, and how many there are more."""
    more = f" and {len(experiments) - SHOWN} more" if len(experiments) > SHOWN else ""
    return ", ".join("/".join(one) for one in experiments[:SHOWN]) + more


def notes(found: Compared) -> Iterator[str]:
    """Yield what to know before believing the table."""
    if any(one.seeds_p is None for one in found.rows):
        yield ONE_SEED
    if unpaired := sum(not one.paired for one in found.rows):
        yield (
            f"Of {unpaired} experiments the test images differ, or predictions are missing: only large"
            " differences show."
        )


def write_page(found: Compared, page: Path) -> None:
    """Write the comparison as one HTML file that loads nothing from elsewhere."""
    from metaprobe.report.layout import render

    alone_of = [
        (name, len(ones), first_of(ones))
        for name, ones in zip(found.names, found.alone, strict=True)
        if ones
    ]
    text = render(
        PAGE,
        names=found.names,
        sentence=verdict(found),
        notes=[*notes(found)],
        header=HEADER,
        rows=[cells(one) for one in found.rows],
        settings=found.settings,
        alone=alone_of,
    )
    write_text(page, text)
