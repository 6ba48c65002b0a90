"""The smallest run that has every stage, and what of its table must always be the same."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from checkouts import TINY, copy_tiny, edit_yaml, snakemake, write_pictures

EXPERIMENTS = 4
ALONE = {"only_datasets": ["Tints"], "only_configurations": ["resnet18-plain"]}
RATE = {"architecture": "ResNet18", "learning_rate": 0.01}
VALIDATED = RATE | {"validation_images": 2, "epochs": 4, "patience": 2}
TUNED = RATE | {"trainable": "last_block", "epochs": 12, "batch_size": 4}
RECIPES = {
    "stopped": VALIDATED,
    "flipped": RATE | {"augmentation": "flip", "views": 2, "epochs": 4},
    "ridge": {"architecture": "ResNet18", "head": "ridge"},
    "tuned": TUNED,
}


class Silent(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def host(folder: Path) -> Iterator[str]:
    """Serve the archive of the pictures on loopback; yield its address."""
    write_pictures(folder / "Tints")
    with zipfile.ZipFile(folder / "tints.zip", "w") as archive:
        for file in sorted((folder / "Tints").glob("*/*.png")):
            archive.write(file, file.relative_to(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tints.zip"
    finally:
        server.shutdown()
        server.server_close()


def settings(address: str) -> dict[str, Any]:
    """Two data sets, one of them downloaded, two configurations, one random backbone."""
    return {
        "only_datasets": ["Digits", "Tints"],
        "only_configurations": ["resnet18-plain", "resnet18-regularized"],
        "train_images": 8,
        "test_images": 4,
        "described_by": ["ResNet18"],
        "weights": "random",
        "data": "data",
        "pathvars": {"results": "results", "logs": "results/logs"},
        "datasets": {
            "Digits": {
                "kind": "embedded",
                "class": "handwritten_digits",
                "classes": 10,
                "transform": "grey",
            },
            "Tints": {"kind": "folder", "classes": 3, "source": "tints"},
        },
        "sources": {
            "tints": {
                "download_mb": 0.1,
                "extracted_mb": 0.2,
                "files": [{"name": "tints.zip", "urls": [address], "extract_to": "."}],
                "provides": {"Tints/*/*.png": 45},
            }
        },
    }


def checkout(folder: Path, address: str, **changes: Any) -> Path:
    """A copy of the workflow with the settings of the smallest run in `tiny.yaml`."""
    copy_tiny(folder)
    (folder / "tiny.yaml").write_text(json.dumps(settings(address) | changes), encoding="utf-8")
    return folder


def start(
    folder: Path, *arguments: str, cores: int = 2, output: Path | None = None
) -> subprocess.Popen[str]:
    """Start Snakemake in `folder`, leader of a process group of its own.

    Args:
        output: where what it says goes; by default `output.txt` in `folder`.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *TINY, *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=open(output or folder / "output.txt", "w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Whoever runs the tests in the background makes their children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_job(
    folder: Path, running: subprocess.Popen[str], rule: str, number: int = 1, seconds: float = 0
) -> None:
    """Return `seconds` after the `number`-th job of a rule has begun, or when the run has ended."""
    while running.poll() is None:
        if len(list((folder / "results/logs" / rule).glob("**/*.log"))) >= number:
            time.sleep(seconds)
            return
        time.sleep(0.005)


def restart(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start the same command again."""
    return snakemake(folder, *TINY)


def metrics(folder: Path, results: str = "results") -> list[dict[str, str]]:
    """The table but for the column of times."""
    with open(folder / results / "target_representations.csv", newline="") as file:
        return [row | {"training_time_sec": ""} for row in csv.DictReader(file)]


def add(folder: Path, **recipes: Any) -> None:
    """Add configurations to `tiny.yaml`."""

    def change(content: dict[str, Any]) -> None:
        content["configurations"] = content.get("configurations", {}) | recipes
        content["only_configurations"] += list(recipes)

    edit_yaml(folder / "tiny.yaml", change)


def part(results: Path, target: Path, *, without: str) -> Path:
    """The results without the files of a data set or a configuration, and without tables."""
    shutil.copytree(results, target)
    for path in sorted(target.glob("*.*")):
        path.unlink()
    for path in sorted(target.glob(f"**/{without}*"), reverse=True):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target
