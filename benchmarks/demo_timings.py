"""Print where the demo's time goes: by stage, per job, and for a run with nothing to do.

By Snakemake's benchmark files. Wall seconds are summed over a stage's jobs, which run side by side.

Usage: python benchmarks/demo_timings.py [cores]
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metaprobe.operations.planning.costs import read_benchmark

ROOT = Path(__file__).parent.parent
STAGES = ("subset_index", "extract_features", "train_head", "metrics_json", "aggregate")
STAGES += ("measure_pictures", "describe_dataset", "aggregate_descriptions")
STAGES += ("compare_configurations", "check_table", "validate")
STAGES += ("export_metabu", "evaluate_recommenders", "build_portfolio", "report")
MEASURED = ("s", "cpu_time", "max_rss")  # seconds, seconds, MB


def timed_run(folder: Path, cores: str) -> tuple[float, float]:
    """Run the demo in `folder`; return wall seconds and CPU seconds of all processes."""
    command = [sys.executable, "-m", "snakemake", "--cores", cores]
    command += ["--configfile", "config/demo.yaml", "--quiet", "all"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def measured(file: Path) -> list[float]:
    """Wall seconds, CPU seconds and megabytes of a job; 0 of what ended before it was looked at."""
    found = read_benchmark(file)
    return [0.0 if found[name] in ("NA", "-") else float(found[name]) for name in MEASURED]


def main(cores: str) -> None:
    """Run the demo twice in a temporary copy and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ("workflow", "config", "envs", "profiles"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "Snakefile", folder)
        wall, cpu = timed_run(folder, cores)
        idle_wall, idle_cpu = timed_run(folder, cores)
        print(
            f"{'stage':<24}{'jobs':>6}{'wall s':>9}{'CPU s':>9}{'CPU s/job':>11}{'GB at most':>12}"
        )
        in_jobs = 0.0
        count = 0
        for stage in STAGES:
            files = (folder / "results/demo/logs" / stage).glob("**/*.tsv")
            costs = [measured(file) for file in files]
            walls, cpus, memory = zip(*costs, strict=True)
            in_jobs += sum(cpus)
            count += len(cpus)
            mean = sum(cpus) / len(cpus)
            row = f"{stage:<24}{len(cpus):>6}{sum(walls):>9.1f}{sum(cpus):>9.1f}{mean:>11.2f}"
            print(f"{row}{max(memory) / 1000:>12.2f}")
    outside = cpu - in_jobs - idle_cpu
    print(f"whole run: {wall:.0f} s on {cores} cores, {cpu:.0f} CPU s; {in_jobs:.0f} inside jobs")
    print(f"Snakemake's overhead: {outside / count:.2f} CPU s per job over {count} jobs")
    print(f"a run with nothing to do: {idle_wall:.1f} s, {idle_cpu:.1f} CPU s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "2")
