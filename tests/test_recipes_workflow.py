"""Recipes as a user runs them: beside a finished table, killed in the middle, on a disk without room."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
from checkouts import TINY, edit_yaml, planned, snakemake
from metaprobe.core.arrays import read_arrays
from tiny_runs import RECIPES, TUNED, add

HEAD = "results/heads/Digits/tuned.safetensors"


@pytest.mark.slow
def test_recipes_run_are_verified_and_leave_no_cache(tmp_path: Path) -> None:
    """A cache that stays, a recipe that cannot be measured again, a second run that does something."""
    with tiny_runs.host(tmp_path / "host") as address:
        folder = tiny_runs.checkout(tmp_path / "checkout", address, only_datasets=["Digits"])
        add(folder, **RECIPES)
        assert snakemake(folder, *TINY).returncode == 0
        assert not [*(folder / "results/activations").rglob("*.npy")]
        assert planned(folder, *TINY) == {}
        add(folder, tuned2=TUNED | {"learning_rate": 0.02})
        found = planned(folder, *TINY)
        assert (found["tune_blocks"], found["metrics_json"]) == (1, 1)
        assert "cache_activations" not in found and "train_head" not in found
        assert snakemake(folder, *TINY).returncode == 0
        assert not [*(folder / "results/activations").rglob("*.npy*")]
        said = snakemake(folder, "verify", *TINY).stdout
        assert "7 identical" in said and "verdict: identical" in said


@pytest.mark.slow
@pytest.mark.long
def test_kill_in_the_middle_of_tuning_loses_one_epoch_at_most(tmp_path: Path) -> None:
    """Fine-tuning from the beginning after a crash, or other weights than without one."""
    heads = []
    with tiny_runs.host(tmp_path / "host") as address:
        for name in ("whole", "killed"):
            folder = tiny_runs.checkout(tmp_path / name, address, only_datasets=["Digits"])
            edit_yaml(folder / "tiny.yaml", lambda one: one.update(only_configurations=[]))
            add(folder, tuned=TUNED | {"epochs": 20})
            if name == "killed":
                run = tiny_runs.start(folder, "--", HEAD)
                checkpoint = folder / "results/heads/Digits/tuned.checkpoints/0.pt"
                deadline = time.monotonic() + 300
                while not checkpoint.exists():
                    assert run.poll() is None and time.monotonic() < deadline
                    time.sleep(0.02)
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                assert not (folder / HEAD).exists()
                shutil.rmtree(folder / ".snakemake/locks", ignore_errors=True)
            assert snakemake(folder, HEAD, *TINY, "--rerun-incomplete").returncode == 0
            heads.append(read_arrays(folder / HEAD))
    log = (tmp_path / "killed/results/logs/tune_blocks/Digits/tuned.log").read_text()
    assert "goes on after epoch" in log
    (first, facts), (second, again) = heads
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
    curves = [one["replicates"][0]["learning_curve"] for one in (facts, again)]
    assert curves[0] == curves[1]
