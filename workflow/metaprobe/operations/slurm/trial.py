"""`metaprobe doctor --profile slurm`: one small job that says what a node sees, and the site's limits."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from metaprobe.core.errors import UserError
from metaprobe.operations.slurm import limits
from metaprobe.operations.slurm.check import REMEMBERED, minimum_job_age
from metaprobe.operations.slurm.commands import ask
from metaprobe.operations.slurm.queue import meaning
from metaprobe.operations.slurm.reasons import because, by_code, look_up, refusal, refused

NAME = "metaprobe_doctor"
RULE = "extract_features"  # the job asks for what this rule asks for, as it is the one with a GPU
PATIENCE = 180.0  # s until the job has begun
AT_WORK = 120.0  # s for the job itself: importing torch from a busy file system takes a while
MARGIN = 10.0  # s by which two clocks may differ, as the answer is looked for once a second


def read_profile(name: str, checkout: Path) -> dict[str, Any]:
    """Return the settings of a profile: a folder, or a name as Snakemake looks for it.

    Raises:
        UserError: there is no such profile, or it cannot be read.
    """
    import yte

    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    for folder in (Path(name).expanduser(), checkout / name, configuration / "snakemake" / name):
        for file in (folder / "profile.yaml", folder / "config.yaml"):
            if file.is_file():
                try:
                    with open(file, encoding="utf-8") as stream:
                        return dict(yte.process_yaml(stream, require_use_yte=True))
                except Exception as error:  # whatever a profile's own expressions raise
                    raise UserError(f"{file} cannot be read: {error}") from None
    raise UserError(f"--profile {name}: there is no such folder with a profile.yaml in it")


def command_of(profile: Mapping[str, Any], answer: Path, data: Path) -> list[str]:
    """Return the `sbatch` of the small job, with account, partition and GPU as the profile has them."""
    needs = dict(profile.get("default-resources") or {})
    needs |= (profile.get("set-resources") or {}).get(RULE) or {}
    options = ["--parsable", f"--job-name={NAME}", "--ntasks=1", "--cpus-per-task=1", "--mem=2000"]
    options += ["--time=5", f"--output={answer.with_suffix('.log')}", f"--chdir={Path.cwd()}"]
    for key, option in {
        "slurm_account": "account",
        "slurm_partition": "partition",
        "gres": "gres",
        "gpu": "gpus",
        "constraint": "constraint",
    }.items():
        if needs.get(key):
            model = f"{needs['gpu_model']}:" if key == "gpu" and needs.get("gpu_model") else ""
            options.append(f"--{option}={model}{needs[key]}")
    if profile.get("slurm-qos"):
        options.append(f"--qos={profile['slurm-qos']}")
    module = [sys.executable, "-m", "metaprobe.operations.slurm.node", str(answer), str(data)]
    package = Path(__file__).resolve().parents[3]
    work = f"PYTHONPATH={shlex.quote(str(package))} {shlex.join(module)}"
    before = [str(profile["precommand"])] if profile.get("precommand") else []
    return ["sbatch", *options, "--wrap", " && ".join([*before, work])]


def send(
    profile: Mapping[str, Any],
    data: Path,
    folder: Path,
    say: Callable[[str], None] = print,
    patience: float = PATIENCE,
) -> int:
    """Send the job, wait for its answer and say what it found; return 0 if a run can work there.

    Args:
        folder: for the answer and the job's output; the nodes must see it.
    """
    for line in site():
        say(line)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    answer = folder / "node.json"
    answer.unlink(missing_ok=True)
    sent = ask(*command_of(profile, answer, data.absolute()))
    if not sent.well:
        said = refusal(f"The error message was '{sent.error}'.\n") or sent.error
        say(f"\nsmall job: {refused(RULE, said)}")
        return 1
    number = sent.text.strip().partition(";")[0]
    say(f"\nsmall job {number} sent, with the account, partition and GPU of {RULE}")
    begun, word = time.monotonic(), ""
    while not answer.is_file():
        if ended := _ended(number):
            time.sleep(2)  # what a shared file system may take to show a file
            if not answer.is_file():
                say(f"{ended}\nNothing came back: the node may not see {folder}, or Python there.")
                say(f"What it printed: {answer.with_suffix('.log')}")
                return 1
            break
        word = (
            ask("squeue", f"--jobs={number}", "--noheader", "--format=%T|%r").text.strip() or word
        )
        state, _, reason = word.partition("|")
        if time.monotonic() - begun > patience + AT_WORK * (state != "PENDING"):
            ask("scancel", number)
            waits = (
                f"it waits: {meaning(reason, number)}" if state == "PENDING" else "it runs still"
            )
            say(f"no answer after {time.monotonic() - begun:.0f} s; {waits}. Cancelled.")
            return 1
        time.sleep(1)
    seen = json.loads(answer.read_text("utf-8"))
    lines, well = findings(seen, data, time.time(), _wants_gpu(profile))
    for line in lines:
        say(line)
    return int(not well)


def findings(
    seen: Mapping[str, Any], data: Path, now: float, wants_gpu: bool
) -> tuple[list[str], bool]:
    """Return what a node sees as lines, and whether a run can work there."""
    entries = sorted(os.listdir(data)) if data.is_dir() else None
    same = entries is None or seen["entries"] == entries
    apart = seen["clock"] - now
    clock = abs(apart) <= MARGIN
    internet = "yes" if seen["internet"] else "no: only the host where Snakemake runs needs it"
    packages = f"lacks {' and '.join(seen['missing'])}" if seen["missing"] else "complete"
    rows = [
        ("node", seen["node"]),
        ("checkout", "seen"),
        ("environment", f"Python {seen['python']}, {packages}"),
        ("data folder", "the same as here" if same else f"NOT the same as here: {data.absolute()}"),
        (
            "GPU",
            seen["gpu"] or ("NONE for torch, though one is asked for" if wants_gpu else "none"),
        ),
        ("internet", internet),
        ("clock", f"within {MARGIN:.0f} s of here" if clock else f"{apart:+.0f} s from here"),
    ]
    well = same and clock and not seen["missing"] and bool(seen["gpu"] or not wants_gpu)
    if entries is None:
        rows[3] = ("data folder", f"not there yet: {data.absolute()}")
    return [f"  {name + ':':<13}{text}" for name, text in rows], well


def site() -> list[str]:
    """Return the limits of the site, and the lines of a profile that may be filled in."""
    partitions = ask("sinfo", "--noheader", "--format=%P|%a|%l|%L|%G").text.splitlines()
    lines = ["", "Partitions (state; longest and default time; GPUs):"]
    for row in partitions:
        name, state, longest, default, gpus = (row.split("|") + [""] * 5)[:5]
        lines.append(f"  {name}: {state}; {longest}, {default}; {gpus.replace('(null)', 'none')}")
    configuration = ask("scontrol", "show", "config").text
    memory = [line for line in configuration.splitlines() if line.startswith("DefMemPer")]
    lines += ["default memory: " + "; ".join(" ".join(line.split()) for line in memory)] * bool(
        memory
    )
    age = minimum_job_age(configuration)
    if age is not None:
        enough = "enough" if age >= REMEMBERED else f"too short: a run needs {REMEMBERED} s"
        lines.append(f"finished jobs are remembered for {age} s (MinJobAge): {enough}")
    places = limits.free_places()
    most = f"{places[0]}, {places[1]} free now" if places else "none that the accounting tells"
    lines.append(f"jobs you may have in the queue (MaxSubmitJobs): {most}")
    lines += [
        "",
        "To fill in, if the cluster wants it, as environment variables or in the profile:",
    ]
    accounts = dict.fromkeys(limits.accounts()) or {"ACCOUNT": None}
    lines.append(
        f"  export SBATCH_ACCOUNT={next(iter(accounts))}    # yours: {', '.join(accounts)}"
    )
    default = next(
        (row.partition("*")[0] for row in partitions if "*" in row.split("|")[0]), "NAME"
    )
    lines.append(f"  export SBATCH_PARTITION={default}")
    with_gpu = [row.split("|")[0].strip("*") for row in partitions if "gpu" in row.split("|")[-1]]
    if with_gpu:
        lines.append(f"  --set-resources {RULE}:gpu=1 {RULE}:slurm_partition={with_gpu[-1]}")
    return lines


def _ended(number: str) -> str:
    """Return how a job ended; nothing as long as it has not."""
    queue = ask("squeue", f"--jobs={number}", "--noheader", "--states=all", "--format=%T")
    state = queue.text.strip()
    if not queue.well or state in ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", ""):
        return ""
    told = look_up([number]).get(number)
    if told is None:
        return f"Slurm says {state}."
    return because(RULE, told) or by_code(told, "its output")


def _wants_gpu(profile: Mapping[str, Any]) -> bool:
    needs = (profile.get("set-resources") or {}).get(RULE) or {}
    return bool(needs.get("gpu") or "gpu" in str(needs.get("gres", "")))
