"""Transferring one file over HTTP, through broken, stalled and refused connections."""

import sys
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, TimeoutError

BLOCK = 2**16
CONNECTION_SECONDS = 20
LINE_SECONDS = 10
BAR_SECONDS = 0.2
BAR_WIDTH = 30
LONGEST_WAIT_SECONDS = 3600
PASSING_TROUBLES = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a host is tried again, and how long it is waited for.

    Attributes:
        silence: seconds without a byte after which a connection counts as stalled.
        tries: requests in a row that bring nothing new before the host is given up.
        pause: seconds before the second try; it doubles with each further one.
    """

    silence: float = 60
    tries: int = 5
    pause: float = 2


RETRY_POLICY = RetryPolicy()


class TransferError(Exception):
    """Why a host does not deliver a file, in a few words."""


class _Interruption(Exception):
    """A trouble that may pass; `wait`: seconds that the host asks to be left alone."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


def transfer(url: str, part: Path, size: int | None, policy: RetryPolicy) -> None:
    """Bring the bytes that `part` lacks of the file at `url`, in as many requests as it takes.

    What has arrived stays in `part`, so that a later call goes on from there.

    Args:
        size: bytes of the whole file, if known beforehand.

    Raises:
        TransferError: the host refuses, offers a file of another size, or brings nothing new in
            `policy.tries` requests in a row.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    furthest, tries = size_of(part), 0
    while size is None or size_of(part) != size:
        try:
            _receive(url, part, size, policy)
            return
        except _Interruption as interruption:
            tries = tries + 1 if size_of(part) <= furthest else 1
            furthest = max(furthest, size_of(part))
            if tries >= policy.tries:
                raise TransferError(f"{interruption} (given up after {tries} tries)") from None
            if interruption.wait > LONGEST_WAIT_SECONDS:
                minutes = interruption.wait / 60
                raise TransferError(f"{interruption}: try again in {minutes:,.0f} min") from None
            seconds = max(policy.pause * 2 ** (tries - 1), interruption.wait)
            print(f"{url}: {interruption}; next try in {seconds:g} s", flush=True)
            time.sleep(seconds)


def size_of(file: Path) -> int:
    """Return bytes in `file`; 0 if it does not exist."""
    return file.stat().st_size if file.is_file() else 0


def amount(size: float) -> str:
    """Return `size` bytes in words: 11.6 MB, 2.64 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _receive(url: str, part: Path, size: int | None, policy: RetryPolicy) -> None:
    """Make one request and append what it brings to `part`, or start over if the host insists."""
    # identity: what is stored must be the file's own bytes, of which the digest is known.
    headers = {"User-Agent": "metaprobe", "Accept-Encoding": "identity"}
    if size_of(part):
        headers["Range"] = f"bytes={size_of(part)}-"
    connection = min(CONNECTION_SECONDS, policy.silence)
    waits = (connection, policy.silence)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=waits) as response:
            start, total = _answer(response, part)
            if size and total and total != size:
                raise TransferError(f"offers a file of {total:,} bytes, not {size:,}")
            if start and start == total:
                return
            progress = Progress(part.stem, start, size or total)
            try:
                with open(part, "ab" if start else "wb") as file:
                    for block in response.raw.stream(BLOCK, decode_content=False):
                        file.write(block)
                        progress.show(file.tell())
            finally:
                progress.clear()
    except requests.ConnectTimeout:
        raise _Interruption(f"no connection within {connection:g} s") from None
    except (requests.Timeout, TimeoutError):
        raise _Interruption(f"stalled for {policy.silence:g} s at {_position(part)}") from None
    except requests.exceptions.InvalidSchema:
        raise TransferError("leads to an address that is not http or https") from None
    except requests.RequestException as error:
        raise _Interruption(_innermost(error)) from None
    except HTTPError:
        raise _Interruption(f"broke off at {_position(part)}") from None
    if size and size_of(part) < size:
        raise _Interruption(f"broke off at {_position(part)}")


def _answer(response: requests.Response, part: Path) -> tuple[int, int | None]:
    """Return the byte at which the body starts, and the size of the whole file if the host tells it."""
    status, start = response.status_code, size_of(part)
    span, _, told = response.headers.get("Content-Range", "").rpartition("/")
    total = int(told) if told.isdigit() else None
    if status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    if status == 206 and span.startswith(f"bytes {start}-"):
        return start, total
    if status == 416 and total == start:
        return start, total
    if status in (206, 416) and start:
        part.unlink()
        raise _Interruption(f"cannot go on at byte {start:,}, starting over")
    if status in PASSING_TROUBLES:
        wait = seconds_to_wait(response.headers.get("Retry-After"), time.time())
        raise _Interruption(f"{status} {response.reason}", wait)
    raise TransferError(f"{status} {response.reason}")


def seconds_to_wait(retry_after: str | None, now: float) -> float:
    """Return what the header Retry-After asks for, seconds or a date; 0 if it cannot be read.

    Args:
        now: seconds since 1970.
    """
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return 0.0


def _position(part: Path) -> str:
    return f"{size_of(part):,} bytes"


def _innermost(error: BaseException) -> str:
    """Return the words of the first of a chain of errors: `Connection refused`, not how it was wrapped."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(words.split())


class Progress:
    """How far a transfer is: a bar on a terminal, a line every so often in a log."""

    def __init__(self, name: str, start: int, total: int | None) -> None:
        self.name, self.start, self.total = name, start, total
        self.began = self.line_written = self.bar_drawn = time.monotonic()

    def show(self, done: int) -> None:
        """Say that `done` bytes of the file are here, if it is time to."""
        now = time.monotonic()
        # A job's output goes to its log; the process's own stderr may still be a terminal.
        terminal = sys.__stderr__
        if terminal and terminal.isatty() and now - self.bar_drawn >= BAR_SECONDS:
            terminal.write(f"\r{self._bar(done)}{self._words(done, now)}\x1b[K")
            terminal.flush()
            self.bar_drawn = now
        if not sys.stdout.isatty() and now - self.line_written >= LINE_SECONDS:
            print(self._words(done, now), flush=True)
            self.line_written = now

    def clear(self) -> None:
        """Take the bar away."""
        terminal = sys.__stderr__
        if terminal and terminal.isatty():
            terminal.write("\r\x1b[K")
            terminal.flush()

    def _bar(self, done: int) -> str:
        filled = BAR_WIDTH * done // self.total if self.total else 0
        return f"[{'#' * filled:<{BAR_WIDTH}}] " if self.total else ""

    def _words(self, done: int, now: float) -> str:
        speed = (done - self.start) / max(now - self.began, 1e-3)
        words = f"{self.name}: {amount(done)}"
        if self.total:
            words += f" of {amount(self.total)} ({done / self.total:.0%})"
        words += f", {speed / 1e3:,.0f} kB/s"
        if self.total and speed:
            words += f", {(self.total - done) / speed / 60:,.0f} min left"
        return words
