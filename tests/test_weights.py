"""Weights: the published ones or none, and random ones that are the same every time."""

import hashlib
import http.server
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from entries import BACKBONES, ready, weights_of
from metaprobe.core.errors import UserError
from metaprobe.data.transfer import RetryPolicy
from metaprobe.features import random_weights, weights
from metaprobe.features.networks import build
from metaprobe.features.weights import fetch, load_network, read_receipt, read_state, weights_folder

RESNET18 = BACKBONES["ResNet18"]
HASTE = RetryPolicy(silence=5, tries=2, pause=0.01)


class Executed:
    """A pickle of it makes a folder when it is loaded without care."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(weights, "member_of", lambda backbone: SimpleNamespace(url=url))


def saved(path: Path, content: Any) -> Path:
    """Save, and give the file the name that torch.hub expects of its digest."""
    torch.save(content, path)
    return named_by_digest(path)


def named_by_digest(path: Path) -> Path:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"network-{digest[:8]}.pth"))


# Random weights


def test_random_weights_come_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that differs from run to run; or a generator that others share and disturb."""
    monkeypatch.setattr(random_weights, "NOISE_IMAGES", 2)  # saves ten seconds
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    origin = ready("MobileNetV2").origin
    assert torch.equal(torch.rand(3), expected)
    assert origin["id"] == "random (seed 0)"
    assert origin["file"] is None
    assert ready("MobileNetV2").origin == origin
    assert ready("MobileNetV2", seed=1).origin["sha256"] != origin["sha256"]


# The folder


def test_weights_lie_in_the_users_folder_or_below_the_data() -> None:
    """Weights looked for in another place than the user's."""
    assert weights_folder(None, "~/data") == Path.home() / "data" / "weights"
    assert weights_folder("~/weights", "~/data") == Path.home() / "weights"


@pytest.mark.parametrize("architecture", BACKBONES)
def test_missing_weights_are_named_with_their_address(tmp_path: Path, architecture: str) -> None:
    """A node without internet that tries to fetch, or a user who is not told what to put."""
    with pytest.raises(UserError) as caught:
        fetch(BACKBONES[architecture], tmp_path, download=False)
    url = weights_of(architecture).url
    assert url in str(caught.value)
    assert str(tmp_path / url.rpartition("/")[2]) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_bytes_are_named(tmp_path: Path) -> None:
    """Half a file, or another network's, used as the published weights."""
    url = weights_of("ResNet18").url
    file = tmp_path / url.rpartition("/")[2]
    file.write_bytes(b"not weights")
    for download in (False, True):
        with pytest.raises(UserError, match=rf"{file.name} is not the published file.*delete it"):
            fetch(RESNET18, tmp_path, download=download)


def test_good_file_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good file refused or fetched again; a receipt that does not say which file it was."""
    state = build("torchvision", "resnet18").state_dict()
    file = saved(tmp_path / "a", state)
    publish(monkeypatch, f"http://localhost:1/{file.name}")
    facts = fetch(RESNET18, tmp_path, download=True)
    assert facts == {
        "id": "ResNet18_Weights.IMAGENET1K_V1",
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    loaded = read_state(tmp_path / file.name)
    assert torch.equal(loaded["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize("known", [True, False])
def test_weights_that_torch_has_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights downloaded again, or a run that stops offline, though torch has them; or wrong ones used."""
    cache = tmp_path / "home/hub/checkpoints"
    cache.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    file = saved(cache / "a", {"weight": torch.arange(3.0)})
    publish(monkeypatch, f"http://localhost:1/{file.name}")
    if known:
        facts = fetch(RESNET18, tmp_path / "data", download=True, policy=HASTE)
        assert torch.equal(
            read_state(tmp_path / "data" / facts["file"])["weight"], torch.arange(3.0)
        )
        return
    file.write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot fetch the weights"):
        fetch(RESNET18, tmp_path / "data", download=True, policy=HASTE)
    assert f"{file} is not used" in capsys.readouterr().out


# The download


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file well, and in each way in which hosts serve badly."""

    content = b""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[0]
        if name == "/nonsense":
            self.wfile.write(b"not HTTP at all\r\n\r\n")
        elif name == "/silence":
            self.close_connection = True
        elif name == "/gone":
            self.send_error(404)
        else:
            body = {"/truncated": self.content[:100], "/other": b"x" * 500}.get(name, self.content)
            self.send_response(200)
            self.send_header("Content-Length", str(500 if name == "/other" else len(self.content)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of a local host, and the file that it serves."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "host").mkdir()
    file = saved(tmp_path / "host" / "a", {"weight": torch.zeros(50)})
    Handler.content = file.read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", file
        server.shutdown()


def test_missing_weights_are_fetched(tmp_path: Path, host, monkeypatch) -> None:
    """A download that is not what was published, or that leaves other files beside it."""
    address, file = host
    publish(monkeypatch, f"{address}/{file.name}")
    folder = tmp_path / "data" / "weights"
    facts = fetch(RESNET18, folder, download=True)
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert (folder / file.name).read_bytes() == file.read_bytes()
    assert facts["file"] == file.name
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("way", ["gone", "truncated", "other", "nonsense", "silence"])
def test_failed_download_is_told_in_a_sentence(tmp_path: Path, host, monkeypatch, way: str) -> None:
    """A traceback; half a file taken for the whole; or one that spoils the next try."""
    address, file = host
    publish(monkeypatch, f"{address}/{way}/{file.name}")
    folder = tmp_path / "weights"
    with pytest.raises(UserError) as caught:
        fetch(RESNET18, folder, download=True, policy=HASTE)
    assert f"put {address}/{way}/{file.name} there as {folder / file.name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / file.name).exists()
    publish(monkeypatch, f"{address}/{file.name}")
    facts = fetch(RESNET18, folder, download=True, policy=HASTE)
    assert [path.name for path in folder.iterdir()] == [facts["file"]]


def test_unreachable_host_is_told_in_a_sentence(tmp_path: Path, monkeypatch) -> None:
    """The same where nobody answers: no internet, or a firewall."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    publish(monkeypatch, f"http://127.0.0.1:{port}/network-00000000.pth")
    with pytest.raises(UserError, match=r"cannot fetch the weights of resnet18 .*put http"):
        fetch(RESNET18, tmp_path, download=True, policy=HASTE)
    assert list(tmp_path.iterdir()) == []


# Loading


def test_file_changed_after_its_receipt_is_refused(tmp_path: Path, monkeypatch) -> None:
    """Features of weights that the fragment does not name."""
    file = saved(tmp_path / "a", {"weight": torch.zeros(3)})
    publish(monkeypatch, f"http://localhost:1/{file.name}")
    facts = fetch(RESNET18, tmp_path, download=False)
    torch.save({"weight": torch.ones(3)}, file)
    with pytest.raises(UserError, match=rf"{file.name} has changed.*delete it"):
        load_network(RESNET18, facts, tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=rf"{file.name} is gone.*fetch_weights"):
        load_network(RESNET18, facts, tmp_path)


def test_pickled_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight file of a stranger that takes over the machine."""
    trap = tmp_path / "executed"
    file = saved(tmp_path / "a", {"weight": Executed(trap)})
    publish(monkeypatch, f"http://localhost:1/{file.name}")
    facts = fetch(RESNET18, tmp_path, download=False)
    with pytest.raises((pickle.UnpicklingError, UserError)):
        load_network(RESNET18, facts, tmp_path)
    assert not trap.exists()
    torch.load(file, weights_only=False)
    assert trap.is_dir()


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"id": "a"}', '{"id": "a", "file'])
def test_broken_receipt_is_named(tmp_path: Path, text: str) -> None:
    """A traceback that does not name the file."""
    (tmp_path / "ResNet18.json").write_text(text)
    with pytest.raises(UserError, match=r"ResNet18\.json is broken .*delete it"):
        read_receipt(tmp_path / "ResNet18.json")
