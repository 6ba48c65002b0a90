"""What a column of a release is, in the words of the one dictionary of columns."""

import re

from metaprobe.reader.dictionary import columns_of, dictionary


def meaning(table: str, column: str) -> str:
    """Return what a column holds, with its unit; empty if the dictionary does not say."""
    known = columns_of(table) if table in dictionary() else {}
    for pattern, one in known.items():
        if re.fullmatch(re.sub("<[a-z_]+>", ".+", pattern), column):
            return f"{one.meaning} ({one.unit})" if one.unit else one.meaning
    return ""
