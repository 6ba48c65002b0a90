"""Bringing a source's files to the data folder, and the manifest that says they are whole.

Below the data folder, `.partial/<source>/parts` holds unfinished transfers (the next run goes on
with them), `.partial/<source>/tree` what is being unpacked, `.archives/<source>` the archives that have been
unpacked, `.damaged/<source>` damaged files that were fetched again; `.digests.json` what the digests
of files were when last computed.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from metaprobe.data.archives import Room, unpack
from metaprobe.config.sources import (Source, SourceFile)
from metaprobe.config.places import leads_outside
from metaprobe.core.errors import UserError
from metaprobe.core.files import (FULL, replacing)
from metaprobe.data.digests import remembered_in
from metaprobe.data.inventory import damaged_files, has_surplus, mismatch, missing_files, sizes_of
from metaprobe.data.transfer import RETRY_POLICY, RetryPolicy, TransferError, size_of, transfer

PARTIAL = ".partial"
ARCHIVES = ".archives"
SLACK_BYTES = 50_000_000  # beyond twice what a source declares: block sizes, and rounded numbers
DAMAGED = ".damaged"


def fetch_source(
    source: str,
    entry: Source,
    data: Path,
    *,
    delete_archives: bool = False,
    policy: RetryPolicy = RETRY_POLICY,
) -> dict[str, Any]:
    """See that the files of `source` are whole below `data`; return the manifest.

    Files that are there are not fetched again, and need no network. What archives hold is moved
    into place only once all of it is unpacked and counted.

    Args:
        delete_archives: delete the archives that were fetched once they are unpacked.

    Raises:
        UserError: the files cannot be fetched, are not what they should be, do not fit on the
            disk, or have to be put there by hand.
    """
    data = data.expanduser().resolve()
    kept = data / ARCHIVES / source
    try:
        if not _is_complete(source, entry, data) or (delete_archives and kept.is_dir()):
            with _alone(source, data):
                _move_damaged_away(source, entry, data)
                if not _is_complete(source, entry, data):
                    _fetch(source, entry, data, policy)
                if delete_archives:
                    shutil.rmtree(kept, ignore_errors=True)
    except OSError as error:
        advice = ": make room there and start the run again" if error.errno in FULL else ""
        raise UserError(f"{source}: cannot read or write below {data}: {error}{advice}") from error
    return {"source": source, "files": entry.provides, "sizes": sizes_of(entry, data)}


def _is_complete(source: str, entry: Source, data: Path) -> bool:
    """Return whether nothing has to be fetched."""
    damaged = next(damaged_files(entry, data, digest=remembered_in(data)), None)
    if damaged and not entry.files:
        path, reason = damaged
        raise UserError(
            f"{source}: {data / path} is damaged ({reason}) and cannot be downloaded: replace it "
            f"by a whole copy.{_manual(entry, data)}"
        )
    missing = missing_files(entry, data)
    if has_surplus(entry, data):
        raise UserError(
            f"{source}: below {data} {'; '.join(missing)}: take away those that do not belong there"
        )
    if missing and not entry.files:
        raise UserError(
            f"{source} is incomplete below {data} ({'; '.join(missing)})"
            f" and cannot be downloaded. By hand:{_manual(entry, data)}"
        )
    return not damaged and not missing and bool(entry.provides or not entry.files)


def _move_damaged_away(source: str, entry: Source, data: Path) -> None:
    """Put damaged files where nothing reads them, so that they are fetched again."""
    for path, reason in damaged_files(entry, data, digest=remembered_in(data)):
        target = data / DAMAGED / source / path
        try:
            _move(data / path, target)
        except OSError as error:
            raise UserError(
                f"{source}: {data / path} is damaged ({reason}) and cannot be moved away "
                f"({error.strerror}): replace it by a whole copy"
            ) from None
        print(f"{data / path} is damaged ({reason}): moved to {target}", flush=True)


def _manual(entry: Source, data: Path) -> str:
    text = (entry.manual or "").strip().replace("<data>", str(data))
    return f"\n{text}" if text else ""


@contextmanager
def _alone(source: str, data: Path) -> Iterator[None]:
    """Keep other processes from fetching `source` into `data` meanwhile; wait for one that does."""
    path = data / PARTIAL / f"{source}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"{source}: waiting for another process that fetches it (lock {path})", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(source: str, entry: Source, data: Path, policy: RetryPolicy) -> None:
    """Bring the files of `source`, unpack and count them, and only then move them into place."""
    _check_names(source, entry)
    work = data / PARTIAL / source
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    refused: dict[str, str] = {}
    found = [_find(source, file, data, refused) for file in entry.files]
    held = [
        place or _part(source, file, data) for file, place in zip(entry.files, found, strict=True)
    ]
    _check_space(source, entry, data, sum(map(size_of, held)))
    wholes = [
        place or _download(source, entry, file, data, policy, refused.get(file.name, ""))
        for file, place in zip(entry.files, found, strict=True)
    ]
    try:
        _unpack_all(entry, wholes, tree)
        if missing := missing_files(entry, data, tree):
            raise UserError(
                f"{source} does not hold what its entry in datasets.yaml says it provides"
                f" ({'; '.join(missing)}): correct the entry; no file was moved into place"
            )
        for path, reason in damaged_files(entry, tree):
            raise UserError(
                f"{source}: {path} was unpacked, but is not what its entry in datasets.yaml says "
                f"({reason}): correct the entry; no file was moved into place"
            )
        _merge(tree, data, entry.provides)
    except UserError:
        _delete_unverified(source, entry.files, data)
        raise
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)


def _check_names(source: str, entry: Source) -> None:
    """See once more, before anything is written, that no name leads out of the data folder."""
    names = [name for file in entry.files for name in (file.name, file.extract_to) if name]
    names += [name for step in entry.nested for name in (step.archive, step.extract_to)]
    for name in [source, *names, *entry.provides]:
        if leads_outside(name):
            raise UserError(f"{source}: {name!r} leads out of the data folder: correct its entry")


def _places(source: str, file: SourceFile, data: Path) -> list[Path]:
    """Return where a whole file may lie: first where a download puts it, last where a user may put it."""
    usual = data / file.name
    if file.extract_to is None or file.keep:
        return [usual]
    return [data / ARCHIVES / source / file.name, usual, data / Path(file.name).name]


def _part(source: str, file: SourceFile, data: Path) -> Path:
    return data / PARTIAL / source / "parts" / f"{file.name}.part"


def _find(source: str, file: SourceFile, data: Path, refused: dict[str, str]) -> Path | None:
    """Return the first of a file's places where it is whole; note in `refused` one that is not."""
    for place in dict.fromkeys(_places(source, file, data)):
        if place.is_file():
            reason = mismatch(place, file)
            if reason is None:
                return place
            refused[file.name] = f"{place} is not used: {reason}"
            print(refused[file.name], flush=True)
    return None


def _check_space(source: str, entry: Source, data: Path, there: int) -> None:
    """See that the archives and what they hold fit on the disk side by side.

    Archives inside archives take about the space of the download once more. What a broken
    extraction left is not subtracted: it is replaced only once the new files are all there.

    Args:
        there: bytes of the download that are on the disk already.
    """
    download = entry.download_mb * 1e6
    nested = download if entry.nested else 0
    needed = max(download - there, 0) + nested + entry.extracted_mb * 1e6
    free = shutil.disk_usage(data).free
    if needed > free:
        raise UserError(
            f"{source} needs {needed / 1e9:.2f} GB more below {data} to be downloaded and unpacked,"
            f" but only {free / 1e9:.2f} GB are free: make room there, or let `data` in config.yaml"
            " name a folder on a larger disk"
        )


def _download(
    source: str, entry: Source, file: SourceFile, data: Path, policy: RetryPolicy, refused: str
) -> Path:
    """Fetch one file from the first of its mirrors that delivers it; return where it is then.

    Args:
        refused: why a file that lies there is not used; empty if there is none.
    """
    places, part = _places(source, file, data), _part(source, file, data)
    reasons = ""
    for url in file.urls:
        print(f"fetching {url}", flush=True)
        try:
            _deliver(url, file, part, policy, again=len(file.urls) == 1)
        except TransferError as error:
            print(f"{url}: {error}", flush=True)
            reasons += f"\n  {url}: {error}"
        else:
            _move(part, places[0])
            return places[0]
    digests = "".join(f", {name.upper()} {digest}" for name, digest in file.digests().items())
    by_hand = f"put the file there yourself ({data / file.name}{digests})"
    if refused:
        by_hand = f"replace the file by a whole copy{digests}.\n{refused}"
    raise UserError(
        f"{source}: {file.name} cannot be fetched:{reasons}\n"
        f"Start again later, or {by_hand}."
        f"{_manual(entry, data)}"
    )


def _deliver(
    url: str, file: SourceFile, part: Path, policy: RetryPolicy, *, again: bool
) -> None:
    """Complete `part` from one mirror and check it; leave no `part` that is whole and wrong.

    Args:
        again: try once more what arrives whole and wrong, as no other mirror has it.
    """
    if not file.digests():
        # Nothing would tell whether the bytes of another mirror or day fit the rest of this one's.
        part.unlink(missing_ok=True)
    inherited = part.is_file()
    transfer(url, part, file.bytes, policy)
    if reason := mismatch(part, file):
        part.unlink()
        if not (inherited or again):
            raise TransferError(reason)
        print(f"{part.stem}: {reason}; fetching it once more from its start", flush=True)
        _deliver(url, file, part, policy, again=False)


def _unpack_all(entry: Source, wholes: list[Path], tree: Path) -> None:
    """Unpack below `tree` the archives of a source, then the archives inside them.

    Of what `extracted_mb` says twice as much is let through, as published sizes are rough.
    """
    declared = entry.extracted_mb + (entry.download_mb if entry.nested else 0)
    room = Room(2e6 * declared + SLACK_BYTES)
    for file, whole in zip(entry.files, wholes, strict=True):
        if file.extract_to is not None:
            print(f"unpacking {whole}", flush=True)
            unpack(whole, tree / file.extract_to, room)
    for step in entry.nested:
        for archive in sorted(tree.glob(step.archive)):
            unpack(archive, tree / step.extract_to, room)
            archive.unlink()


def _merge(tree: Path, data: Path, patterns: Iterable[str]) -> None:
    """Move every file below `tree` to the same path below `data`.

    The files that `patterns` count go last, so that a kill in between never leaves a source that
    counts as complete and is not.
    """
    counted = {path for pattern in patterns for path in tree.glob(pattern)}
    files = [path for path in tree.rglob("*") if path.is_symlink() or path.is_file()]
    for path in sorted(files, key=counted.__contains__):
        _move(path, data / path.relative_to(tree))


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(path, target)
    except OSError as error:
        # A subfolder of the data folder may be a link to another disk.
        if error.errno != errno.EXDEV:
            raise
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)


def _delete_unverified(source: str, files: list[SourceFile], data: Path) -> None:
    """Delete fetched archives without a digest: a useless one may have been fetched wrongly."""
    for file in files:
        if not file.digests():
            (data / ARCHIVES / source / file.name).unlink(missing_ok=True)
