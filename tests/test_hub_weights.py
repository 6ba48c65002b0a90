"""Weights of timm from the Hugging Face Hub: a stand-in on loopback, its cache, and no internet."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from checkouts import ROOT
from metaprobe.features.networks import build
from safetensors.torch import save_file

pytestmark = pytest.mark.slow  # A Hub and a run of its own for each.
MODEL = "test_vit.r160_in1k"  # timm's own, for tests: 0.4 million parameters
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import json, sys
from pathlib import Path
from metaprobe.config.backbones import parse_backbone
from metaprobe.core.errors import UserError
from metaprobe.features.weights import fetch
backbone = parse_backbone({"library": "timm", "model": sys.argv[1]})
try:
    print(json.dumps(fetch(backbone, Path(sys.argv[2]), download=sys.argv[3] == "yes")))
except UserError as error:
    sys.exit(str(error))
"""


class Hub(BaseHTTPRequestHandler):
    """Serves one file as the Hub does."""

    content = b""

    def answer(self, *, body: bool) -> None:
        if self.path != f"/timm/{MODEL}/resolve/main/model.safetensors":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if body:
            self.wfile.write(self.content)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """Its address; the weights are random."""
    torch.manual_seed(0)
    save_file(build("timm", MODEL).state_dict(), tmp_path / "served")
    Hub.content = (tmp_path / "served").read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(
    tmp_path: Path, address: str, folder: str, *, download: str = "yes"
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PYTHONPATH": str(ROOT / "workflow"),
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_ETAG_TIMEOUT": "60",  # a busy machine answers late
        "HF_HUB_DOWNLOAD_TIMEOUT": "60",
        "no_proxy": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FETCH, MODEL, str(tmp_path / folder), download],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_weights_come_from_the_hub_once(tmp_path: Path, hub: str) -> None:
    """A download per data folder, or into a place that jobs on other nodes do not see."""
    done = fetch(tmp_path, hub, "one")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout.splitlines()[-1])
    assert receipt == {
        "id": MODEL,
        "file": f"{MODEL}.safetensors",
        "sha256": hashlib.sha256(Hub.content).hexdigest(),
    }
    assert (tmp_path / "one" / receipt["file"]).read_bytes() == Hub.content
    Hub.content = b""  # whoever asks again gets nothing
    again = fetch(tmp_path, hub, "one", download="no")
    assert again.returncode == 0 and json.loads(again.stdout.splitlines()[-1]) == receipt


def test_weights_in_the_cache_of_the_hub_need_no_internet(tmp_path: Path, hub: str) -> None:
    """A machine without internet that asks for what it has."""
    assert fetch(tmp_path, hub, "one").returncode == 0
    done = fetch(tmp_path, "http://127.0.0.1:9", "two")
    assert done.returncode == 0, done.stderr
    assert "taken from" in done.stdout
    assert (tmp_path / "two" / f"{MODEL}.safetensors").read_bytes() == Hub.content


@pytest.mark.parametrize(
    "way",
    [pytest.param("nobody answers", marks=pytest.mark.slow), "not there", "not allowed to ask"],
)
def test_weights_that_cannot_be_had_are_one_line(
    tmp_path: Path, hub: str, way: str, monkeypatch
) -> None:
    """A traceback of a library, or a user who is not told what to put where."""
    monkeypatch.setattr(Hub, "do_HEAD", lambda self: self.send_error(404), raising=True)
    address = "http://127.0.0.1:9" if way == "nobody answers" else hub
    download = "no" if way == "not allowed to ask" else "yes"
    done = fetch(tmp_path, address, "one", download=download)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *retries, said = done.stderr.strip().splitlines()
    assert f"/timm/{MODEL}/resolve/main/model.safetensors there as " in said
    assert f"{tmp_path / 'one' / MODEL}.safetensors" in said
    assert bool(retries) == (way == "nobody answers"), done.stderr
