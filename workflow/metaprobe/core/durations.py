"""Lengths of time as people write them."""

UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Return the seconds of a length of time.

    Raises:
        ValueError: it is none.

    >>> seconds_of("1.5h")
    5400.0
    """
    written = text.strip().lower()
    unit = written.lstrip("0123456789.")
    if unit.strip() not in UNITS:
        raise ValueError(f"{text!r} is no length of time")
    return float(written[: len(written) - len(unit)]) * UNITS[unit.strip()]
