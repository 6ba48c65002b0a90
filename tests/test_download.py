"""The downloader against a host that breaks off, stalls, lies and refuses, and against evil archives.

Every test looks at what is on the disk in the end.
"""

import errno
import gzip
import hashlib
import io
import os
import shutil
import stat
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from metaprobe.config.sources import Nested, Source, SourceFile
from metaprobe.core.errors import UserError
from metaprobe.data import download, transfer
from metaprobe.data.archives import TAR_ENDINGS, Room, unpack
from metaprobe.data.inventory import missing_files
from metaprobe.data.transfer import RetryPolicy, TransferError

BRIEF = RetryPolicy(silence=10, tries=3, pause=0.01)
RESTLESS = RetryPolicy(silence=0.3, tries=3, pause=0.01)
ROOT = Path(__file__).parents[1]
CLOSED = "http://127.0.0.1:9/"
SOURCES = yaml.safe_load((ROOT / "config/datasets.yaml").read_text(encoding="utf-8"))["sources"]
BODY = bytes(range(256)) * 2000


def fetch_source(source: str, entry: dict[str, Any], data: Path, **options: Any) -> dict[str, Any]:
    """Fetch a source that is written as in datasets.yaml."""
    return download.fetch_source(source, Source.model_validate(entry), data, **options)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one answer of the host.

    Attributes:
        stop: bytes of the body after which the host goes away (or falls silent, if `stall`).
        silent_size: no Content-Length, so that only the end of the connection ends the body.
        encoding: a Content-Encoding that the bytes do not have.
        retry_after: the header Retry-After of a refusal.
    """

    status: int = 200
    stop: int | None = None
    stall: bool = False
    corrupt: bool = False
    retry_after: str | None = None
    ignore_range: bool = False
    other_range: bool = False
    silent_size: bool = False
    encoding: str | None = None
    delay: float = 0


class Host:
    """An HTTP server on this machine that misbehaves as told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.troubles: dict[str, list[Trouble]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.closing = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(
        self, name: str, body: bytes, *troubles: Trouble, always: Trouble | None = None
    ) -> str:
        """Offer `body`; the first answers have `troubles`, all later ones `always`. Return its URL."""
        self.files[f"/{name}"] = body
        self.troubles[f"/{name}"] = [*troubles, *([always] * 99 if always else [])]
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        waiting = self.troubles.get(handler.path)
        trouble = waiting.pop(0) if waiting else Trouble()
        time.sleep(trouble.delay)
        body = self.files.get(handler.path)
        if body is None or trouble.status != 200:
            handler.send_response(404 if body is None else trouble.status)
            if trouble.retry_after is not None:
                handler.send_header("Retry-After", trouble.retry_after)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if trouble.corrupt:
            body = bytes([body[0] ^ 1]) + body[1:]
        start, whole = 0, len(body)
        if asked and not trouble.ignore_range:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= whole:
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{whole}")
                handler.end_headers()
                return
            start = 0 if trouble.other_range else start
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        else:
            handler.send_response(200)
        if not trouble.silent_size:
            handler.send_header("Content-Length", str(whole - start))
        if trouble.encoding:
            handler.send_header("Content-Encoding", trouble.encoding)
        handler.end_headers()
        handler.wfile.write(body[start : trouble.stop])
        handler.wfile.flush()
        if trouble.stall:
            self.closing.wait(5)

    def ranges(self, name: str) -> list[str | None]:
        """The Range header of each request for a file."""
        return [asked for path, asked in self.requests if path == f"/{name}"]

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    host = Host()
    yield host
    host.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "data"


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def tarred(members: dict[str, bytes | tarfile.TarInfo], compression: str = "gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def one_file(name: str, body: bytes, *urls: str, **more: Any) -> dict[str, Any]:
    """A file of a source, with the MD5 of `body`."""
    return {"name": name, "urls": list(urls), "md5": hashlib.md5(body).hexdigest(), **more}


def source_of(*files: dict[str, Any], provides: dict[str, int], **more: Any) -> dict[str, Any]:
    """A source of `files`."""
    sizes = {"download_mb": 0.1, "extracted_mb": 0.1}
    return {**sizes, "files": list(files), "provides": provides, **more}


def plain(host: Host, *troubles: Trouble, **more: Any) -> dict[str, Any]:
    """A source of one file, `set/a.bin`, that is used as it is."""
    url = host.serve("a.bin", BODY, *troubles, always=more.pop("always", None))
    return source_of(one_file("set/a.bin", BODY, url, **more), provides={"set/a.bin": 1})


PICTURES = {f"pictures/{i}.png": f"picture {i}".encode() for i in range(6)}


def pictures(*urls: str, body: bytes | None = None, **more: Any) -> dict[str, Any]:
    """A source of one zip with six pictures, unpacked into `set`."""
    file = one_file("set/pictures.zip", body or zipped(PICTURES), *urls, extract_to="set", **more)
    return source_of(file, provides={"set/pictures/*.png": 6})


def below(folder: Path, *, locks: bool = False) -> dict[str, bytes]:
    """Every file below a folder (lock files apart) and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and (locks or path.suffix != ".lock")
    }


PART = ".partial/s/parts/set/a.bin.part"


# What is fetched, and where it ends up


def test_archive_is_fetched_unpacked_and_kept(host: Host, data: Path) -> None:
    """Would catch files in the wrong folder, leftovers of the work, and archives beside the data."""
    body = zipped(PICTURES)
    manifest = fetch_source("s", pictures(host.serve("p.zip", body)), data, policy=BRIEF)
    assert (manifest["source"], manifest["files"]) == ("s", {"set/pictures/*.png": 6})
    assert manifest["sizes"] == {f"set/{name}": len(content) for name, content in PICTURES.items()}
    unpacked = {f"set/{name}": content for name, content in PICTURES.items()}
    assert below(data) == {**unpacked, ".archives/s/set/pictures.zip": body}
    assert not (data / ".partial" / "s").exists()


def test_file_without_extract_to_is_placed_as_it_is(host: Host, data: Path) -> None:
    """Would catch a plain file that is unpacked, renamed or kept among the archives."""
    fetch_source("s", plain(host), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_complete_source_needs_no_network(data: Path) -> None:
    """Would catch fetching again what is there, and writing to a data folder that is read-only."""
    for name, content in PICTURES.items():
        (data / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "set" / name).write_bytes(content)
    before = sorted(data.rglob("*"))
    fetch_source("s", pictures(CLOSED), data, policy=BRIEF)
    assert sorted(data.rglob("*")) == before


def test_source_that_counts_nothing_is_still_fetched(host: Host, data: Path) -> None:
    """Would catch an entry without `provides` that counts as complete from the start."""
    entry = plain(host)
    del entry["provides"]
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_sources_share_a_folder(host: Host, data: Path) -> None:
    """Would catch moving a whole folder into place over what another source or the user put there."""
    (data / "set" / "pictures").mkdir(parents=True)
    (data / "set" / "pictures" / "notes.txt").write_bytes(b"mine")
    fetch_source("t", plain(host), data, policy=BRIEF)
    fetch_source("s", pictures(host.serve("p.zip", zipped(PICTURES))), data, policy=BRIEF)
    files = below(data / "set")
    assert files["a.bin"] == BODY
    assert files["pictures/notes.txt"] == b"mine"
    assert PICTURES.items() <= files.items()


# Transfers that break


def test_broken_transfer_goes_on_where_it_stopped(host: Host, data: Path) -> None:
    """Would catch starting 11 GB over again, and a Range request that is off by one."""
    entry = plain(host, Trouble(stop=1000), Trouble(stop=200_000))
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, "bytes=1000-", "bytes=200000-"]


def test_other_range_than_asked_for_is_refused(host: Host, data: Path) -> None:
    """Would catch appending whatever a host calls a part (206) without looking which part it is."""
    entry = plain(host, Trouble(stop=5000), Trouble(other_range=True))
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, "bytes=5000-", None]


def test_part_is_kept_between_runs(host: Host, data: Path) -> None:
    """Would catch deleting the part when a run fails, or ignoring it in the next."""
    entry = plain(host, Trouble(stop=5000), *[Trouble(status=503)] * 3)
    with pytest.raises(UserError):
        fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {PART: BODY[:5000]}
    fetch_source("s", entry, data, policy=BRIEF)
    assert host.ranges("a.bin")[-1] == "bytes=5000-"
    assert below(data) == {"set/a.bin": BODY}


def test_host_that_ignores_range_starts_over(host: Host, data: Path) -> None:
    """Would catch appending a whole file to the part of it."""
    entry = plain(host, Trouble(stop=5000), Trouble(ignore_range=True))
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, "bytes=5000-"]


@pytest.mark.parametrize("part", [b"of another file", b"x" * (len(BODY) + 7)])
def test_part_of_an_earlier_run_is_not_trusted(host: Host, data: Path, part: bytes) -> None:
    """Would catch a part that is wrong or too long and blocks the file for ever."""
    (data / PART).parent.mkdir(parents=True)
    (data / PART).write_bytes(part)
    fetch_source("s", plain(host), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin")[0] == f"bytes={len(part)}-"


def test_whole_part_is_not_fetched_again(host: Host, data: Path) -> None:
    """Would catch a second 11 GB because the host has nothing to add to the part (416)."""
    (data / PART).parent.mkdir(parents=True)
    (data / PART).write_bytes(BODY)
    fetch_source("s", plain(host), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [f"bytes={len(BODY)}-"]


def test_whole_part_of_known_size_needs_no_request(data: Path) -> None:
    """Would catch fetching again a file that was whole when the run was killed."""
    (data / PART).parent.mkdir(parents=True)
    (data / PART).write_bytes(BODY)
    file = one_file("set/a.bin", BODY, CLOSED, bytes=len(BODY))
    fetch_source("s", source_of(file, provides={"set/a.bin": 1}), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_part_without_a_digest_is_not_gone_on_with(host: Host, data: Path) -> None:
    """Would catch joining bytes of two files where nothing could tell that they do not fit."""
    (data / PART).parent.mkdir(parents=True)
    (data / PART).write_bytes(b"of another file")
    entry = plain(host)
    del entry["files"][0]["md5"]
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_short_body_without_a_length_is_a_broken_transfer(host: Host, data: Path) -> None:
    """Would catch taking the end of the connection for the end of the file."""
    entry = plain(host, Trouble(stop=5000, silent_size=True), bytes=len(BODY))
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, "bytes=5000-"]


def test_stalled_transfer_is_broken_off_and_resumed(host: Host, data: Path) -> None:
    """Would catch waiting for ever for a host that has fallen silent."""
    entry = plain(host, Trouble(stop=2 * transfer.BLOCK, stall=True))
    fetch_source("s", entry, data, policy=RESTLESS)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, f"bytes={2 * transfer.BLOCK}-"]


def test_host_that_only_stalls_is_given_up(host: Host, data: Path) -> None:
    """Would catch endless retries, and a message that hides why."""
    entry = plain(host, always=Trouble(stop=0, stall=True))
    began = time.monotonic()
    with pytest.raises(
        UserError, match=r"a\.bin: stalled for 0\.3 s at 0 bytes \(given up after 3"
    ):
        fetch_source("s", entry, data, policy=RESTLESS)
    assert time.monotonic() - began < 4
    assert len(host.requests) == 3
    assert not (data / "set").exists()


def test_tries_count_only_while_nothing_arrives(host: Host, data: Path) -> None:
    """Would catch giving up a long transfer that breaks often but always gets further."""
    breaks = [Trouble(stop=1000 * i) for i in range(1, 9)]
    fetch_source("s", plain(host, *breaks), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_busy_host_is_asked_again(host: Host, data: Path) -> None:
    """Would catch giving up at a 503, or storing its error page as the file."""
    fetch_source("s", plain(host, Trouble(status=503), Trouble(status=429)), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


def test_pauses_grow(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch hammering a host that is down."""
    pauses: list[float] = []
    monkeypatch.setattr("metaprobe.data.transfer.time.sleep", pauses.append)
    entry = plain(host, always=Trouble(status=503))
    with pytest.raises(UserError, match="503 Service Unavailable"):
        fetch_source("s", entry, data, policy=RetryPolicy(silence=1, tries=5, pause=2))
    assert [pause for pause in pauses if pause] == [2, 4, 8, 16]


@pytest.mark.parametrize("header", ["120", "Sun, 09 Sep 2001 01:48:40 GMT"])
def test_host_says_when_to_come_back(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    """Would catch giving up within seconds on a host that lets through so many requests a minute."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waits.append(seconds))
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    busy = Trouble(status=429, retry_after=header)
    fetch_source("s", plain(host, busy, busy), data, policy=BRIEF)
    assert [seconds for seconds in waits if seconds > 1] == [120, 120]
    assert (data / "set/a.bin").read_bytes() == BODY


@pytest.mark.parametrize("header", ["", "soon", "-5", "Sun, 09 Sep 1990 01:48:40 GMT", None])
def test_header_that_says_nothing_of_use(header: str | None) -> None:
    """Would catch a crash, or a pause that is negative."""
    assert transfer.seconds_to_wait(header, 1e9) == 0


def test_host_that_wants_hours_is_given_up(host: Host, data: Path) -> None:
    """Would catch a run that hangs until tomorrow and does not say why."""
    busy = Trouble(status=503, retry_after="7200")
    with pytest.raises(UserError, match=r"503 .*: try again in 120 min"):
        fetch_source("s", plain(host, busy), data, policy=BRIEF)


def test_label_of_compression_does_not_change_the_bytes(host: Host, data: Path) -> None:
    """Would catch unpacking on the way a .gz that its host labels `Content-Encoding: gzip`."""
    body = gzip.compress(BODY)
    url = host.serve("a.gz", body, always=Trouble(encoding="gzip"))
    entry = source_of(one_file("a.gz", body, url), provides={"a.gz": 1})
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"a.gz": body}


# Mirrors


def test_mirrors_are_tried_in_order(host: Host, data: Path) -> None:
    """Would catch stopping at a dead, lying or oversized mirror, or asking one that is not needed."""
    body = zipped(PICTURES)
    urls = [
        host.serve("gone", body, always=Trouble(status=404)),
        host.serve("lies", body, always=Trouble(corrupt=True)),
        host.serve("page", b"<html>log in</html>"),
        host.serve("good", body),
        host.serve("spare", body),
    ]
    fetch_source("s", pictures(*urls), data, policy=BRIEF)
    assert [path for path, _ in host.requests] == ["/gone", "/lies", "/page", "/good"]
    assert PICTURES.items() <= below(data / "set").items()


def test_mirror_goes_on_with_the_part_of_another(host: Host, data: Path) -> None:
    """Would catch throwing away the half that the first mirror gave before it went down."""
    first = host.serve("first", BODY, Trouble(stop=5000), always=Trouble(status=503))
    file = one_file("set/a.bin", BODY, first, host.serve("second", BODY))
    fetch_source("s", source_of(file, provides={"set/a.bin": 1}), data, policy=BRIEF)
    assert host.ranges("second") == ["bytes=5000-"]
    assert below(data) == {"set/a.bin": BODY}


def test_wrong_half_of_one_mirror_does_not_spoil_another(host: Host, data: Path) -> None:
    """Would catch blaming a good mirror for the corrupt bytes that were there before it."""
    corrupt = Trouble(corrupt=True, stop=5000)
    first = host.serve("first", BODY, corrupt, always=Trouble(status=503))
    file = one_file("set/a.bin", BODY, first, host.serve("second", BODY))
    fetch_source("s", source_of(file, provides={"set/a.bin": 1}), data, policy=BRIEF)
    assert host.ranges("second") == ["bytes=5000-", None]
    assert below(data) == {"set/a.bin": BODY}


def test_error_tells_every_mirrors_reason(host: Host, data: Path) -> None:
    """Would catch an error that names only the last mirror, or leaves <data> for the user to guess."""
    body = zipped(PICTURES)
    urls = [host.serve("gone", body, always=Trouble(status=404)), CLOSED]
    entry = pictures(*urls) | {"manual": "Unpack it in <data>/set/.\n"}
    with pytest.raises(UserError) as error:
        fetch_source("s", entry, data, policy=BRIEF)
    first, gone, closed, advice, manual = str(error.value).splitlines()
    assert first == "s: set/pictures.zip cannot be fetched:"
    assert gone == f"  {urls[0]}: 404 Not Found"
    assert closed == f"  {CLOSED}: Connection refused (given up after 3 tries)"
    assert f"{data.resolve()}/set/pictures.zip, MD5 {hashlib.md5(body).hexdigest()}" in advice
    assert manual == f"Unpack it in {data.resolve()}/set/."
    assert below(data) == {}


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ({"md5": "0" * 32}, "its MD5 is"),
        ({"sha256": "0" * 64}, "its SHA256 is"),
        ({"bytes": 5}, "offers a file of 512,000 bytes, not 5"),
        ({"bytes": 5, "always": Trouble(silent_size=True)}, "it has 512,000 bytes, not 5"),
    ],
)
def test_wrong_file_leaves_nothing(
    host: Host, data: Path, check: dict[str, Any], reason: str
) -> None:
    """Would catch keeping, or going on next time with, a file that is not the published one."""
    with pytest.raises(UserError, match=reason):
        fetch_source("s", plain(host, **check), data, policy=BRIEF)
    assert len(host.requests) == (1 if reason.startswith("offers") else 2)
    assert below(data) == {}


# Before anything is fetched


def test_disk_space_is_checked_first(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch filling the disk, and finding out after 11 GB."""
    usage = type("Usage", (), {"free": 2_500_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    entry = plain(host) | {"download_mb": 1000, "extracted_mb": 2000}
    with pytest.raises(UserError, match=r"needs 3\.00 GB more .* only 2\.50 GB are free"):
        fetch_source("s", entry, data, policy=BRIEF)
    assert host.requests == []
    assert below(data) == {}


def test_disk_space_counts_what_is_there(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch refusing to go on with a download whose archive already takes its space."""
    usage = type("Usage", (), {"free": 350_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    entry = plain(host) | {"download_mb": len(BODY) / 1e6, "extracted_mb": 0.1}
    with pytest.raises(UserError, match="GB are free"):
        fetch_source("s", entry, data, policy=BRIEF)
    (data / PART).parent.mkdir(parents=True)
    (data / PART).write_bytes(BODY[:300_000])
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}


@pytest.mark.parametrize(
    "source", [name for name, entry in SOURCES.items() if "files" not in entry]
)
def test_source_without_download_says_what_to_do(data: Path, source: str) -> None:
    """Would catch a message that is too long to read, or has a placeholder for a path."""
    with pytest.raises(UserError) as error:
        fetch_source(source, SOURCES[source], data, policy=BRIEF)
    first, *manual = str(error.value).splitlines()
    assert first.startswith(f"{source} is incomplete below {data.resolve()}")
    assert 1 <= len(manual) <= 5  # six lines with the first
    assert str(data.resolve()) in "".join(manual)
    assert "<data>" not in "".join(manual)
    assert not data.exists()


def test_source_without_download_is_taken_when_there(data: Path) -> None:
    """Would catch telling users to do by hand what they have done."""
    (data / "fer2013").mkdir(parents=True)
    (data / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    manifest = fetch_source("fer2013", SOURCES["fer2013"] | {"contents": {}}, data, policy=BRIEF)
    assert manifest["files"] == SOURCES["fer2013"]["provides"]


def test_too_many_files_are_not_fetched_again(host: Host, data: Path) -> None:
    """Would catch an 11 GB download that cannot mend a count that is too high."""
    for i in range(7):
        (data / "set" / "pictures").mkdir(parents=True, exist_ok=True)
        (data / "set" / "pictures" / f"copy {i}.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"matches 7 files, not 6 \(look at .*: take"):
        fetch_source("s", pictures(host.serve("p.zip", zipped(PICTURES))), data, policy=BRIEF)
    assert host.requests == []


@pytest.mark.parametrize("source", SOURCES)
def test_published_sources_can_be_unpacked(source: str) -> None:
    """Would catch an entry whose archive is of a kind that only shows after its download."""
    files = SOURCES[source].get("files", [])
    for file in files:
        if "extract_to" in file:
            assert file["name"].endswith((".zip", ".gz", *TAR_ENDINGS))
    assert len({file["name"] for file in files}) == len(files)
    assert len(SOURCES[source].get("manual", "").splitlines()) <= 5


# Archives that are there already


def test_interrupted_extraction_is_completed(data: Path) -> None:
    """Would catch taking half of an extraction for the whole, or leaving a file that was cut off."""
    body = zipped(PICTURES)
    (data / ".archives" / "s" / "set").mkdir(parents=True)
    (data / ".archives" / "s" / "set" / "pictures.zip").write_bytes(body)
    (data / "set" / "pictures").mkdir(parents=True)
    (data / "set" / "pictures" / "0.png").write_bytes(PICTURES["pictures/0.png"])
    (data / "set" / "pictures" / "1.png").write_bytes(b"pic")
    (data / ".partial" / "s" / "tree" / "set" / "pictures").mkdir(parents=True)
    (data / ".partial" / "s" / "tree" / "set" / "pictures" / "stray.png").write_bytes(b"killed")
    fetch_source("s", pictures(CLOSED), data, policy=BRIEF)
    assert below(data / "set") == PICTURES
    assert not (data / ".partial" / "s").exists()


@pytest.mark.parametrize("place", ["pictures.zip", "set/pictures.zip"])
def test_archive_put_there_by_hand_is_used(data: Path, place: str) -> None:
    """Would catch fetching what the user has brought, or deleting what is the user's."""
    (data / "set").mkdir(parents=True)
    (data / place).write_bytes(zipped(PICTURES))
    fetch_source("s", pictures(CLOSED), data, delete_archives=True, policy=BRIEF)
    expected = {f"set/{name}": content for name, content in PICTURES.items()}
    assert below(data) == {**expected, place: zipped(PICTURES)}


def test_wrong_archive_put_there_by_hand_is_not_used(
    host: Host, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch unpacking another version of a data set because its file has the right name."""
    data.mkdir(parents=True)
    (data / "pictures.zip").write_bytes(zipped({"pictures/0.png": b"other"}))
    fetch_source("s", pictures(host.serve("p.zip", zipped(PICTURES))), data, policy=BRIEF)
    assert below(data / "set") == PICTURES
    assert f"{data.resolve()}/pictures.zip is not used: its MD5 is" in capsys.readouterr().out


def test_archive_by_hand_that_is_cut_off_is_told(data: Path) -> None:
    """Would catch the advice to put a file where a damaged one lies, without a word of that."""
    data.mkdir(parents=True)
    (data / "pictures.zip").write_bytes(zipped(PICTURES)[:6])
    with pytest.raises(UserError) as error:
        fetch_source("s", pictures(CLOSED, bytes=len(zipped(PICTURES))), data, policy=BRIEF)
    said = str(error.value)
    assert "replace the file by a whole copy, MD5" in said
    assert f"{data.resolve()}/pictures.zip is not used: it has 6 bytes, not " in said


def test_corrupt_transfer_of_a_sole_mirror_is_tried_again(host: Host, data: Path) -> None:
    """Would catch losing a data set, until somebody starts again, for one flipped bit."""
    fetch_source("s", plain(host, Trouble(corrupt=True)), data, policy=BRIEF)
    assert below(data) == {"set/a.bin": BODY}
    assert host.ranges("a.bin") == [None, None]


@pytest.mark.parametrize("damage", [b"", BODY[:100], b"<html>" + BODY[6:]])
def test_damaged_file_is_fetched_again_and_kept_aside(
    host: Host, data: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a damaged file that counts as there, so that it is never mended; or its loss."""
    entry = plain(host)
    (data / "set").mkdir(parents=True)
    (data / "set/a.bin").write_bytes(damage)
    fetch_source("s", entry, data, policy=BRIEF)
    found = below(data)
    assert found["set/a.bin"] == BODY and found[".damaged/s/set/a.bin"] == damage
    assert "is damaged (its MD5 is" in capsys.readouterr().out


def test_damaged_member_of_an_archive_is_unpacked_again(host: Host, data: Path) -> None:
    """Would catch fetching an archive again that is there, or a batch that stays damaged."""
    first = PICTURES["pictures/0.png"]
    entry = pictures(host.serve("p.zip", zipped(PICTURES)))
    entry["contents"] = {"set/pictures/0.png": {"md5": hashlib.md5(first).hexdigest()}}
    fetch_source("s", entry, data, policy=BRIEF)
    (data / "set/pictures/0.png").write_bytes(b"fake")
    fetch_source("s", entry, data, policy=BRIEF)
    assert (data / "set/pictures/0.png").read_bytes() == first
    assert len(host.requests) == 1


def test_damaged_file_without_a_download_is_named(data: Path) -> None:
    """Would catch half a csv that was brought by hand and counts as whole."""
    (data / "fer2013").mkdir(parents=True)
    (data / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(UserError, match=r"fer2013.csv is damaged \(its MD5 is .*by a whole copy"):
        fetch_source("fer2013", SOURCES["fer2013"], data, policy=BRIEF)


def test_unpacked_content_is_compared(host: Host, data: Path) -> None:
    """Would catch an entry whose digests no file can have, found only after the download."""
    entry = pictures(host.serve("p.zip", zipped(PICTURES)))
    entry["contents"] = {"set/pictures/0.png": {"bytes": 7}}
    with pytest.raises(UserError, match=r"0.png was unpacked, but is not what its entry"):
        fetch_source("s", entry, data, policy=BRIEF)
    assert not (data / "set").exists()


def test_archives_are_deleted_if_asked(host: Host, data: Path) -> None:
    """Would catch keeping 11 GB that nobody needs, or deleting before the extraction is verified."""
    entry = pictures(host.serve("p.zip", zipped(PICTURES)))
    entry["provides"] = {"set/pictures/*.png": 7}
    with pytest.raises(UserError):
        fetch_source("s", entry, data, delete_archives=True, policy=BRIEF)
    assert below(data) == {".archives/s/set/pictures.zip": zipped(PICTURES)}
    entry["provides"] = {"set/pictures/*.png": 6}
    fetch_source("s", entry, data, delete_archives=True, policy=BRIEF)
    assert below(data) == {f"set/{name}": content for name, content in PICTURES.items()}
    assert len(host.requests) == 1


def test_archives_of_a_complete_source_are_deleted_if_asked(host: Host, data: Path) -> None:
    """Would catch a setting that comes too late to have any effect."""
    entry = pictures(host.serve("p.zip", zipped(PICTURES)))
    fetch_source("s", entry, data, policy=BRIEF)
    fetch_source("s", entry, data, delete_archives=True, policy=BRIEF)
    assert below(data) == {f"set/{name}": content for name, content in PICTURES.items()}


def test_archive_that_is_needed_stays(host: Host, data: Path) -> None:
    """Would catch deleting an archive that the reader itself opens (`keep: true`)."""
    entry = pictures(host.serve("p.zip", zipped(PICTURES)), keep=True)
    fetch_source("s", entry, data, delete_archives=True, policy=BRIEF)
    assert below(data / "set") == {**PICTURES, "pictures.zip": zipped(PICTURES)}


# Unpacking


@pytest.mark.parametrize("ending", TAR_ENDINGS)
def test_every_kind_of_tar_is_unpacked(host: Host, data: Path, ending: str) -> None:
    """Would catch a .tgz or .tar.xz that is taken for a single compressed file."""
    compressions = {"r": "", "gz": "gz", "xz": "xz", "z2": "bz2"}
    body = tarred(dict(PICTURES), compressions[ending[-2:].removeprefix("a")])
    url = host.serve(f"p{ending}", body)
    file = one_file(f"p{ending}", body, url, extract_to=".")
    fetch_source("s", source_of(file, provides={"pictures/*.png": 6}), data, policy=BRIEF)
    assert below(data / "pictures") == {f"{i}.png": f"picture {i}".encode() for i in range(6)}


def test_single_gz_is_decompressed_under_its_name(host: Host, data: Path) -> None:
    """Would catch MNIST files that keep their .gz, or the archive lying among them."""
    body = gzip.compress(BODY)
    file = one_file("M/raw/a-bytes.gz", body, host.serve("a.gz", body), extract_to="M/raw")
    fetch_source("s", source_of(file, provides={"M/raw/*-bytes": 1}), data, policy=BRIEF)
    assert below(data / "M") == {"raw/a-bytes": BODY}


def test_nested_gz_as_in_emnist(host: Host, data: Path) -> None:
    """Would catch the inner files left packed, unpacked in the wrong folder, or left beside the rest."""
    inner = {f"gzip/emnist-{i}-bytes.gz": gzip.compress(BODY[i:]) for i in range(4)}
    body = zipped({**inner, "gzip/mapping.txt": b"0 48"})
    file = one_file("E/raw/gzip.zip", body, host.serve("gzip.zip", body), extract_to="E/raw")
    entry = source_of(file, provides={"E/raw/emnist-*-bytes": 4})
    entry["nested"] = [{"archive": "E/raw/gzip/*.gz", "extract_to": "E/raw"}]
    fetch_source("s", entry, data, policy=BRIEF)
    unpacked = {f"raw/emnist-{i}-bytes": BODY[i:] for i in range(4)}
    assert below(data / "E") == {**unpacked, "raw/gzip/mapping.txt": b"0 48"}


def test_nested_tar_as_in_caltech101(host: Host, data: Path) -> None:
    """Would catch an inner .tar.gz that is only decompressed, and macOS leftovers taken for archives."""
    inner = tarred({f"101/Faces/image_{i}.jpg": b"face" for i in range(3)})
    members = {"caltech-101/101.tar.gz": inner, "__MACOSX/caltech-101/._101.tar.gz": b"mac"}
    body = zipped(members)
    file = one_file("c/caltech-101.zip", body, host.serve("c.zip", body), extract_to="c")
    entry = source_of(file, provides={"c/101/*/image_*.jpg": 3})
    entry["nested"] = [{"archive": "c/caltech-101/*.gz", "extract_to": "c"}]
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data / "c" / "101") == {f"Faces/image_{i}.jpg": b"face" for i in range(3)}
    assert not list((data / "c").glob("caltech-101/*"))


def test_wrong_count_moves_nothing(host: Host, data: Path) -> None:
    """Would catch half a data set that is put in place and later trained on."""
    body = zipped(dict(list(PICTURES.items())[:4]))
    entry = pictures(host.serve("p.zip", body), body=body)
    with pytest.raises(UserError, match=r"set/pictures/\*\.png matches 4 files, not 6"):
        fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {".archives/s/set/pictures.zip": body}


@pytest.mark.parametrize("body", [b"<html>log in</html>", zipped({"pictures/0.png": b"0"})])
def test_useless_archive_without_digest_is_not_kept(host: Host, data: Path, body: bytes) -> None:
    """Would catch a login page that is taken for the archive in every later run."""
    entry = pictures(host.serve("p.zip", body))
    del entry["files"][0]["md5"]
    with pytest.raises(UserError):
        fetch_source("s", entry, data, policy=BRIEF)
    assert below(data) == {}
    host.serve("p.zip", zipped(PICTURES))
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data / "set") == PICTURES


def test_kill_while_moving_into_place_leaves_an_incomplete_source(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch counted files that are moved first, so that the rest is never missed."""
    body = zipped({**PICTURES, "a.txt": b"a", "z.txt": b"z"})
    entry = pictures(host.serve("p.zip", body), body=body)
    move = download._move
    moved: list[str] = []

    def killed_before_the_last(path: Path, target: Path) -> None:
        if len(moved) == 8:
            raise KeyboardInterrupt
        moved.append(target.name)
        move(path, target)

    monkeypatch.setattr(download, "_move", killed_before_the_last)
    with pytest.raises(KeyboardInterrupt):
        fetch_source("s", entry, data, policy=BRIEF)
    assert {"a.txt", "z.txt"} <= set(moved)
    assert missing_files(Source.model_validate(entry), data) == [
        "set/pictures/*.png matches 5 files, not 6"
    ]
    monkeypatch.undo()
    fetch_source("s", entry, data, policy=BRIEF)
    assert below(data / "set") == {**PICTURES, "a.txt": b"a", "z.txt": b"z"}
    assert len(host.requests) == 1


def test_folder_on_another_disk_is_filled(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch a data folder with a link to a larger disk, where a rename is not possible."""
    replace = os.replace

    def same_disk_only(source: Path, target: Path) -> None:
        if Path(target).name.endswith(".png") and ".partial" in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", same_disk_only)
    fetch_source("s", pictures(host.serve("p.zip", zipped(PICTURES))), data, policy=BRIEF)
    assert below(data / "set") == PICTURES


def test_full_disk_is_told_in_plain_words(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch a traceback, or blaming the archive, when the disk fills up on the way."""

    def full(archive: Path, folder: Path, room: Room) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "unpack", full)
    with pytest.raises(UserError, match=r"s: cannot read or write below .*No space left on device"):
        fetch_source("s", pictures(host.serve("p.zip", zipped(PICTURES))), data, policy=BRIEF)
    assert below(data) == {".archives/s/set/pictures.zip": zipped(PICTURES)}


# Archives that attack


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


def zip_link(target: str) -> bytes:
    stream = io.BytesIO()
    member = zipfile.ZipInfo("link")
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, target)
    return stream.getvalue()


EVIL: dict[str, Callable[[Path], bytes]] = {
    "climbs.tar.gz": lambda victim: tarred({"../../victim": b"evil"}),
    "symlink.tar.gz": lambda victim: tarred(
        {"way": link(tarfile.SYMTYPE, "../.."), "way/victim": b"evil"}
    ),
    "absolute_symlink.tar.gz": lambda victim: tarred(
        {"way": link(tarfile.SYMTYPE, str(victim.parent)), "way/victim": b"evil"}
    ),
    "hardlink.tar.gz": lambda victim: tarred(
        {"way": link(tarfile.LNKTYPE, "../../victim"), "more/../way": b"evil"}
    ),
    "device.tar.gz": lambda victim: tarred({"pipe": link(tarfile.FIFOTYPE, "")}),
    "climbs.zip": lambda victim: zipped({"../../victim": b"evil"}),
    "absolute.zip": lambda victim: zipped({str(victim): b"evil"}),
    "backslash.zip": lambda victim: zipped({"..\\..\\victim": b"evil"}),
    "drive.zip": lambda victim: zipped({"C:victim": b"evil"}),
    "symlink.zip": lambda victim: zip_link("../../victim"),
}


@pytest.mark.parametrize("name", EVIL)
def test_archive_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    """Would catch an archive that overwrites the user's files, directly or through a link."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / name).write_bytes(EVIL[name](victim))
    with pytest.raises(UserError, match=f"{name} cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "deep" / "folder")
    assert victim.read_bytes() == b"precious"
    for path in (tmp_path / "deep").rglob("*"):
        assert path.is_dir() or (path.is_file() and not path.is_symlink())
    assert b"evil" not in below(tmp_path / "deep").values()


def test_absolute_path_in_a_tar_stays_inside_the_folder(tmp_path: Path) -> None:
    """Would catch unpacking without tarfile's data filter, which takes the leading slash away."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "a.tar.gz").write_bytes(tarred({str(victim): b"evil"}))
    unpack(tmp_path / "a.tar.gz", tmp_path / "folder")
    assert victim.read_bytes() == b"precious"
    assert below(tmp_path / "folder") == {str(victim).lstrip("/"): b"evil"}


def test_attack_leaves_the_data_folder_as_it_was(host: Host, data: Path) -> None:
    """Would catch moving into place what was unpacked before the attack was noticed."""
    body = zipped({**PICTURES, "../victim": b"evil"})
    with pytest.raises(UserError, match="would be written outside"):
        fetch_source("s", pictures(host.serve("p.zip", body), body=body), data, policy=BRIEF)
    assert below(data) == {".archives/s/set/pictures.zip": body}


@pytest.mark.parametrize(
    "names",
    [
        {"name": "../OUT"},
        {"name": "/abs/OUT"},
        {"name": "a/../../OUT"},
        {"extract_to": "/abs"},
        {"extract_to": "../../.."},
        {"extract_to": "a\n"},
    ],
)
def test_entry_cannot_write_outside_the_data_folder(
    host: Host, data: Path, names: dict[str, str]
) -> None:
    """Would catch a check of the configuration alone, as when an entry comes from elsewhere."""
    file = pictures(host.serve("p.zip", zipped(PICTURES)))["files"][0] | names
    unchecked = SourceFile.model_construct(**{"extract_to": None, "keep": False, **file})
    source = Source.model_construct(**source_of(provides={})).model_copy(
        update={"files": [unchecked], "nested": []}
    )
    with pytest.raises(UserError, match="leads out of the data folder: correct its entry"):
        download.fetch_source("s", source, data, policy=BRIEF)
    assert host.requests == []
    assert [*below(data.parent.parent)] == []


def test_nested_archives_elsewhere_are_not_unpacked_and_deleted(tmp_path: Path, data: Path) -> None:
    """Would catch a pattern that leads to the user's own archives, which are deleted once unpacked."""
    nested = Nested.model_construct(archive="../../*.zip", extract_to=".")
    source = Source.model_validate(pictures(CLOSED)).model_copy(update={"nested": [nested]})
    with pytest.raises(UserError, match="leads out of the data folder"):
        download.fetch_source("s", source, data, policy=BRIEF)


BOMB = b"\0" * 4_000_000
BOMBS = {
    "bomb.zip": zipped({"a": BOMB[:2_000_000], "b": BOMB[:2_000_000]}),
    "bomb.tar.gz": tarred({"a": BOMB[:2_000_000], "b": BOMB[:2_000_000]}),
    "bomb.gz": gzip.compress(BOMB),
}


@pytest.mark.parametrize("name", BOMBS)
def test_archive_unpacks_to_no_more_than_its_source_allows(tmp_path: Path, name: str) -> None:
    """Would catch a small archive that fills the disk."""
    (tmp_path / name).write_bytes(BOMBS[name])
    with pytest.raises(
        UserError, match=f"{name} is not unpacked: it holds more than the extracted_"
    ):
        unpack(tmp_path / name, tmp_path / "folder", Room(3_000_000))
    assert sum(map(len, below(tmp_path / "folder").values())) <= 3_000_000
    unpack(tmp_path / name, tmp_path / "folder", Room(4_000_000))


def test_bomb_leaves_the_data_folder_as_it_was(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch archives that each keep within the bound, and bounds that nobody sets."""
    monkeypatch.setattr(download, "SLACK_BYTES", 0)
    members = {f"pictures/{i}.png": b"x" * 60_000 for i in range(3)}
    files = [
        one_file(name, zipped(members), host.serve(name, zipped(members)), extract_to="set")
        for name in ("a.zip", "b.zip")
    ]
    entry = source_of(*files, provides={"set/pictures/*.png": 3})  # 0.1 MB are declared
    with pytest.raises(UserError, match=r"b\.zip is not unpacked"):
        fetch_source("s", entry, data, policy=BRIEF)
    assert not (data / "set").exists()
    fetch_source("s", entry | {"extracted_mb": 0.2}, data, policy=BRIEF)


def test_address_of_another_kind_is_tried_once(data: Path) -> None:
    """Would catch half a minute of tries at an address that no host can answer, as after a redirect."""
    with pytest.raises(TransferError, match="leads to an address that is not http or https"):
        transfer.transfer("ftp://example.org/a.zip", data / "a", None, RetryPolicy())


BROKEN = {
    "cut.zip": zipped(PICTURES)[:-30],
    "cut.tar.gz": tarred({"a": BODY})[:-300],
    "cut.tar": tarred({"a": BODY}, "")[:2000],
    "cut.tar.xz": tarred({"a": BODY}, "xz")[:200],
    "cut.tar.bz2": tarred({"a": BODY}, "bz2")[:-30],
    "cut.gz": gzip.compress(BODY)[:-30],
    "flipped.zip": zipped(PICTURES).replace(b"picture 3", b"picture X"),
    "flipped.gz": gzip.compress(BODY)[:-8] + b"12345678",
    "page.zip": b"<html>log in</html>",
    "page.tar.gz": b"<html>log in</html>",
    "page.gz": b"<html>log in</html>",
    "unknown.rar": b"Rar!",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_archive_is_named(tmp_path: Path, name: str) -> None:
    """Would catch a traceback, or silence, at an archive that is cut off, damaged or a web page."""
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(UserError, match=f"{name} cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "folder")


# Company, and what is shown


def test_two_at_once_fetch_once(host: Host, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch two runs that write into one part or delete each other's unpacked files."""
    entry = pictures(host.serve("p.zip", zipped(PICTURES), Trouble(delay=0.4)))
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            fetch_source("s", entry, data, delete_archives=True, policy=BRIEF)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert errors == []
    assert len(host.requests) == 1
    assert below(data / "set") == PICTURES
    assert "s: waiting for another process that fetches it" in capsys.readouterr().out


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_log_gets_lines_and_terminal_a_bar(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch an hour of silence in a log, or a log full of bars."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "__stderr__", terminal)
    monkeypatch.setattr(transfer, "LINE_SECONDS", 0)
    monkeypatch.setattr(transfer, "BAR_SECONDS", 0)
    fetch_source("s", plain(host), data, policy=BRIEF)
    log = capsys.readouterr().out
    assert "a.bin: 0.5 MB of 0.5 MB (100%), " in log
    assert "\r" not in log
    assert f"\r[{'#' * transfer.BAR_WIDTH}] a.bin: 0.5 MB of 0.5 MB (100%)" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_log_is_not_flooded(host: Host, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a line for every block that arrives."""
    fetch_source("s", plain(host), data, policy=BRIEF)
    assert capsys.readouterr().out.splitlines() == [f"fetching {host.serve('a.bin', BODY)}"]
