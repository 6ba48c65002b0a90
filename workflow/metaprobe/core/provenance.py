"""Where a result comes from: versions of the libraries and of the workflow."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of installed packages."""
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in packages}


def git_commit(folder: Path) -> str | None:
    """The commit in `folder`, with `-dirty` if tracked files differ from it; None outside git."""
    describe = ["describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    command = ["git", "-C", str(folder), *describe]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
