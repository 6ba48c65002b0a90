"""Why a Slurm job failed: Slurm's word translated, with numbers and the option that mends it."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from metaprobe.operations.slurm.commands import QUICK, ask

FIELDS = "JobIDRaw,State,ExitCode,ElapsedRaw,TimelimitRaw,ReqMem,MaxRSS,NodeList"
UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
STATUS = re.compile(r"SLURM-job '\w+' failed.*?SLURM status is: '(\w+)", re.DOTALL)
REFUSED = re.compile(r"The error message was '(.*?)'\.?\n", re.DOTALL)
EXCEPTION = "submission failed with exception: "
# A refusal that ends by itself: the job is submitted later, and has not failed.
PASSING = re.compile(
    r"MaxJobCount|temporarily unable to (?:accept|handle)|Socket timed out|submit limit|"
    r"Unable to contact slurm controller|Resource temporarily unavailable|job submit rate|"
    r"Zero Bytes were transmitted|Transport endpoint",
    re.IGNORECASE,
)
# What the text after such a word, "job submit limit, user's size and/or time limits", leaves open.
LIMIT = re.compile(r"\b(QOS|Assoc)[A-Z]\w+")
OF_WHOM = {"QOS": "the QOS", "Assoc": "your account"}
VALUES = {
    "slurm_partition": ("invalid partition", "sinfo lists the partitions"),
    "slurm_account": ("account", "sacctmgr show assoc user=$USER format=Account lists yours"),
    "runtime": ("time limit", "minutes; sinfo -o '%P %l' lists the longest of each partition"),
    "qos": ("qos", "sacctmgr show assoc user=$USER format=QOS lists yours"),
}


@dataclass(frozen=True)
class Told:
    """What Slurm knows of a job that has ended.

    Attributes:
        minutes: time limit.
        asked_mb: memory asked for, in MB as Slurm counts them; 0: not told.
        used_mb: the most that one of its steps used when it was looked at.
        exit: `code:signal`.
    """

    state: str
    by: str = ""
    exit: str = ""
    seconds: float = 0
    minutes: float = 0
    asked_mb: float = 0
    used_mb: float = 0
    node: str = ""


def look_up(numbers: Sequence[str], seconds: float = QUICK) -> dict[str, Told]:
    """Ask once what became of these jobs: the accounting, or else slurmctld, which forgets soon."""
    if not numbers:
        return {}
    if shutil.which("sacct"):
        command = ("sacct", "--noheader", "--parsable2", f"--format={FIELDS}")
        answer = ask(*command, f"--jobs={','.join(numbers)}", seconds=seconds)
        if answer.well and (found := parse_sacct(answer.text)):
            return found
    answer = ask("scontrol", "--oneliner", "show", "job", seconds=seconds)
    known = parse_scontrol(answer.text)
    return {number: known[number] for number in numbers if number in known}


def parse_sacct(text: str) -> dict[str, Told]:
    """Return the jobs in lines of FIELDS; their steps tell what memory was used."""
    jobs: dict[str, list[str]] = {}
    used: dict[str, float] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != len(FIELDS.split(",")):
            continue
        number, _, step = fields[0].partition(".")
        used[number] = max(used.get(number, 0), megabytes(fields[6]))
        if not step:
            jobs[number] = fields
    found = {}
    for number, (_, state, code, elapsed, limit, asked, _, node) in jobs.items():
        word, _, by = state.partition(" by ")
        numbers = _number(elapsed), _number(limit), megabytes(asked), used[number]
        found[number] = Told(word, by, code, *numbers, node)
    return found


def parse_scontrol(text: str) -> dict[str, Told]:
    """Return the jobs that `scontrol --oneliner show job` tells of; it knows no used memory."""
    found = {}
    for line in text.splitlines():
        told = dict(re.findall(r"(\w+)=(\S*)", line))
        memory = re.search(r"mem=(\w+(?:\.\d+)?\w?)", told.get("TRES", ""))
        found[told.get("JobId", "")] = Told(
            told.get("JobState", ""),
            exit=told.get("ExitCode", ""),
            seconds=_clock(told.get("RunTime", "")),
            minutes=_clock(told.get("TimeLimit", "")) / 60,
            asked_mb=megabytes(memory[1]) if memory else 0,
            node=told.get("NodeList", ""),
        )
    return found


def because(rule: str, told: Told) -> str:
    """Return in plain words why Slurm ended a job; nothing where the job itself knows better."""
    over = told.asked_mb and told.used_mb > told.asked_mb
    if told.state == "OUT_OF_MEMORY" or over:
        return out_of_memory(rule, told)
    if told.state == "TIMEOUT":
        limit = f"its {told.minutes:,.0f} min" if told.minutes else "its time limit"
        more = ceil(2 * told.minutes) or 60
        return f"over {limit}: Slurm ended it. {mend(rule, runtime=more)} gives it more"
    if told.state == "CANCELLED":
        by = f" by {_name(told.by)}" if told.by else ""
        return f"cancelled in Slurm{by} (scancel): start the run again to do it"
    if told.state in ("NODE_FAIL", "BOOT_FAIL"):
        node = f" ({told.node})" if told.node else ""
        return f"its node{node} was lost: start the run again; it needs no other setting"
    if told.state == "PREEMPTED":
        return "ended to make room for a job of higher priority: start the run again to do it"
    if told.state == "DEADLINE":
        return "Slurm ended it at its deadline"
    return ""


def out_of_memory(rule: str, told: Told) -> str:
    """Return by how much a job was over its memory, and the option that gives it more."""
    asked, used = f"{told.asked_mb:,.0f} MB", f"{told.used_mb:,.0f}"
    needed = max(2 * told.asked_mb, 1.5 * told.used_mb, 1000)
    over = f"its {asked}" if told.asked_mb else "its memory"
    if told.asked_mb and told.used_mb > told.asked_mb:
        over += f": {used}"
    more = ceil(needed / 500) * 500
    return f"over {over}. Slurm ended it. {mend(rule, mem_mb=more)} gives it more"


def by_code(told: Told, log: str) -> str:
    """Return how a job ended of which nothing else is known; its Slurm log tells more."""
    code, _, number = told.exit.partition(":")
    how = f"by signal {number}" if number not in ("", "0") else f"with exit code {code or '?'}"
    where = f" on {told.node}" if told.node and told.node != "None assigned" else ""
    return f"Slurm says {told.state or 'nothing'}: it ended {how}{where} and wrote no reason; see {log}"


def refusal(message: str) -> str:
    """Return what sbatch or the plugin said when it refused a job; nothing if it did not."""
    if found := REFUSED.search(message):
        lines = found[1].replace("sbatch: error: ", "").replace("Batch job submission failed: ", "")
        return "; ".join(dict.fromkeys(line.strip() for line in lines.splitlines() if line.strip()))
    _, mark, rest = message.partition(EXCEPTION)
    return " ".join(rest.partition("For further error details")[0].split()) if mark else ""


def passes(said: str) -> bool:
    """Return whether a refusal ends by itself, as when others of the user's jobs have ended."""
    limit = LIMIT.search(said)
    return "Submit" in limit[0] if limit else bool(PASSING.search(said))


def refused(rule: str, said: str) -> str:
    """Return in plain words that a job never began, as Slurm did not take it, and what mends it."""
    told = f'Slurm refused it: "{said}". '
    if "configuration is not available" in said or "generic resource" in said:
        return f"{told}No node has what it asks for: ask for less, as by {mend(rule, gpu=1, mem_mb=2000)}"
    if limit := LIMIT.search(said):
        time = "Wall" in limit[0] or "Time" in limit[0]
        less = mend(rule, **({"runtime": "MINUTES"} if time else {"gpu": 1, "mem_mb": 2000}))
        return f"{told}It is over a limit of {OF_WHOM[limit[1]]}: ask for less, as by {less}"
    for option, (sign, where) in VALUES.items():
        if sign in said.lower():
            what = "MINUTES" if option == "runtime" else "NAME"
            return f"{told}{mend(rule, **{option: what})} sets it ({where})"
    return f"{told}docs/cluster.md tells which options the profile takes"


def status_in(message: str) -> str:
    """Return the state that the plugin's message names."""
    found = STATUS.search(message)
    return found[1] if found else ""


def mend(rule: str, **values: object) -> str:
    """Return the option of Snakemake that sets resources of a rule."""
    settings = " ".join(f"{rule}:{name}={value}" for name, value in values.items())
    return f"--set-resources {settings}"


def megabytes(text: str) -> float:
    """Return `405596K` or `2Gn` in MB of 1024² bytes; 0 for nothing."""
    found = re.match(r"([\d.]+)([KMGT])?", text)
    return float(found[1]) * UNITS[found[2] or "M"] if found else 0


def _number(text: str) -> float:
    return float(text) if text.isdigit() else 0


def _clock(text: str) -> float:
    """Seconds of `2-03:04:05`; 0 for UNLIMITED and the like."""
    days, _, clock = text.rpartition("-")
    if not re.fullmatch(r"\d+(:\d+)+", clock):
        return 0
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds + 86400 * int(days or 0)


def _name(number: str) -> str:
    """Return the name of a user by number, as sacct gives it."""
    import pwd

    try:
        return pwd.getpwuid(int(number)).pw_name
    except (KeyError, ValueError):
        return f"user {number}"
