"""What only the publisher knows, as it is said on the command line: each proved to have its form."""

import re
from argparse import ArgumentTypeError

# Those of https://spdx.org/licenses/ that numbers are published under; CITATION.cff and Croissant ask for an id.
CREATIVE_COMMONS = tuple(
    f"CC-{parts}-{version}"
    for parts in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
    for version in ("1.0", "2.0", "2.5", "3.0", "4.0")
)
SPDX = (
    *("CC0-1.0", *CREATIVE_COMMONS, "PDDL-1.0", "ODbL-1.0", "ODC-By-1.0"),
    *("CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "C-UDA-1.0"),
    *("DL-DE-BY-2.0", "DL-DE-ZERO-2.0", "etalab-2.0", "OGL-UK-3.0", "OGL-Canada-2.0", "NLOD-2.0"),
    *("MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "Unlicense"),
    *("GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "MPL-2.0"),
    *("LGPL-3.0-only", "LGPL-3.0-or-later", "AGPL-3.0-only", "AGPL-3.0-or-later", "EUPL-1.2"),
)
DOI = re.compile(r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;().\[\]\\-]+")  # as CITATION.cff has it
BEFORE_DOI = re.compile(r"https?://(dx\.)?doi\.org/|doi:\s*", re.IGNORECASE)


def version(text: str) -> str:
    """Return the version, if it is of the form that Croissant asks for.

    Raises:
        ArgumentTypeError: it is not.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise ArgumentTypeError(f"{text} is no version such as 1.0.0")
    return text


def licence(text: str) -> str:
    """Return the SPDX id of a licence, as SPDX writes it.

    Raises:
        ArgumentTypeError: it is none of those known here.
    """
    known = {one.lower(): one for one in SPDX}
    if text.lower() not in known:
        raise ArgumentTypeError(
            f"{text} is no SPDX id of a licence for data that is known here: name one such as"
            " CC-BY-4.0, CC0-1.0 or ODbL-1.0"
        )
    return known[text.lower()]


def doi(text: str) -> str:
    """Return a DOI without what may stand before it.

    Raises:
        ArgumentTypeError: it is none.
    """
    bare = BEFORE_DOI.sub("", text, count=1) if BEFORE_DOI.match(text) else text
    if not DOI.fullmatch(bare):
        raise ArgumentTypeError(f"{text} is no DOI such as 10.5281/zenodo.1")
    return bare
