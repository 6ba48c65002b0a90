"""The exceptions that are meant for the user's eyes."""

import re

CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed


class UserError(Exception):
    """A mistake the user can correct: the message says what is wrong, where, and what to do.

    Control characters are shown escaped, as names of files and classes come from outside and could
    rewrite the terminal.
    """

    def __str__(self) -> str:
        return CONTROL_CHARACTERS.sub(lambda found: repr(found[0])[1:-1], super().__str__())


class PassingError(UserError):
    """One that may not come up again if the same is tried once more, as where memory ran out."""
