"""Snakemake without the seconds of its imports: a process that has them waits, and forks for each call.

What runs is `python -m snakemake`, in a process of its own, from its first line on.
"""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LIMIT = 2400  # seconds, after which a call is ended that waits for ever
OF_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PATH")  # settled before an import
_one_at_a_time = threading.Lock()


def run(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder`; output and errors together in `stdout`."""
    call = {"folder": str(folder), "arguments": arguments, "environment": dict(os.environ)}
    with tempfile.TemporaryDirectory() as place, _one_at_a_time:
        output = Path(place, "output")
        call["output"] = str(output)
        process = _waiting(tuple(os.environ.get(name) for name in OF_PYTHON))
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(call) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *arguments], code, output.read_text())


@cache
def _waiting(of_python: tuple[str | None, ...]) -> subprocess.Popen[str]:
    """The process that forks, one for each state of what Python itself reads."""
    command = [sys.executable, __file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    return process


def _calls() -> Iterator[dict]:
    """Yield each call in a process of its own, and nothing in the one that waits."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            yield json.loads(line)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    import snakemake.cli  # noqa: F401  (that is what takes seconds)

    for call in _calls():
        signal.alarm(LIMIT)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        for number, file, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, call["output"], os.O_WRONLY | os.O_CREAT),
        ):
            os.dup2(os.open(file, flags), number)
        os.dup2(1, 2)
        sys.path[0] = call["folder"]
        sys.argv = ["snakemake", *call["arguments"]]
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
