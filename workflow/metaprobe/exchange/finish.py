"""The tables of a merged folder: made by the rules that make those of every run."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from metaprobe.config import layout
from metaprobe.core.errors import UserError

SHOWN = 3
NO_CHECKOUT = (
    "no tables yet, as this folder is no checkout: name {target} as its results (pathvars) in one, and "
    "start snakemake there"
)


def make_tables(
    checkout: Path,
    target: Path,
    configfiles: Sequence[Path],
    overrides: Sequence[str],
    cores: int,
) -> str:
    """Make the tables of a results folder if nothing else is left to do; return what was done.

    Raises:
        UserError: Snakemake cannot tell what is left, or has failed.
    """
    from metaprobe.operations.snakemake_coupling import jobs_to_run, merged_configuration

    _, _, folders = merged_configuration(checkout, configfiles, overrides)
    own = [] if folders["results"].absolute() == target.absolute() else [_pathvars(target)]
    jobs = jobs_to_run(checkout, configfiles, [*overrides, *own])
    left = Counter(job.rule for job in jobs if job.rule in layout.WORK)
    command = _command(checkout, configfiles, [*overrides, *own], cores)
    if left:
        first = ", ".join(f"{number} of {rule}" for rule, number in left.most_common(SHOWN))
        return (
            f"no tables yet, as this configuration asks for more: {sum(left.values())} jobs ({first}). "
            "Start the run as ever, or name the configuration of these results by --configfile"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False) if jobs else None
    if done and done.returncode:
        raise UserError(f"the tables of {target} are not made:\n{done.stderr.strip()}")
    return "its tables are made: a run has nothing left to do"


def _pathvars(target: Path) -> str:
    return f"pathvars={json.dumps({'results': str(target), 'logs': str(target / 'logs')})}"


def _command(
    checkout: Path, configfiles: Sequence[Path], overrides: Sequence[str], cores: int
) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
    command += ["--snakefile", str(checkout / "Snakefile")]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    return command + (["--config", *overrides] if overrides else [])
