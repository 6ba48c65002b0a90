"""What a compute node sees; run there by `metaprobe doctor --profile slurm`, which reads the answer."""

import importlib.util
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

INTERNET = "https://download.pytorch.org"


def look(data: Path) -> dict[str, Any]:
    """Return what is seen from here of the data folder, the environment, a GPU and the internet."""
    return {
        "node": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "python": sys.version.partition(" ")[0],
        "missing": [name for name in ("snakemake", "torch") if not importlib.util.find_spec(name)],
        "entries": sorted(os.listdir(data)) if data.is_dir() else None,
        "gpu": gpu(),
        "internet": internet(),
        "clock": time.time(),
    }


def gpu() -> str:
    """Return the name of the GPU that torch can use; nothing if there is none."""
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def internet() -> bool:
    """Return whether a host of weights answers, through a proxy if the environment names one."""
    try:
        with urlopen(INTERNET, timeout=5):
            return True
    except OSError as error:
        return hasattr(error, "code")  # an answer, though not a good one


if __name__ == "__main__":
    answer, folder = map(Path, sys.argv[1:])
    begun = answer.with_suffix(".tmp")
    found = look(folder)
    begun.write_text(json.dumps(found | {"clock": time.time()}), encoding="utf-8")
    begun.replace(answer)
