"""`snakemake plan`: what would run and what it would cost, on one screen; nothing starts."""

from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
import yaml
from checkouts import ROOT
from metaprobe.core.errors import UserError
from metaprobe.core.files import write_arrays
from metaprobe.operations import calibration, costs, plan_times
from metaprobe.operations.costs import Job
from metaprobe.operations.doctor import Finding
from metaprobe.operations.plan import Plan, jobs_to_run, parse_summary, report
from metaprobe.operations.status import State

PARTS = {"train": 5000, "test": 1000}
DATASETS = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())
NAMES = [f"configuration-{number}" for number in range(6)]


def a_plan(jobs=(), states=None, **changes) -> Plan:
    """Of two data sets that share a source."""
    sources = {"net": {"download_mb": 100.0, "extracted_mb": 300.0}}
    entries = {"One": {"source": "net"}, "Two": {"source": "net"}}
    settings = {
        "states": states or {(task, "a"): State("missing") for task in entries},
        "jobs": frozenset(jobs),
        "findings": [Finding(t, "will download", "", "", "", "net") for t in entries],
        "sources": sources,
        "per_unit": {},
        "measured": "by what finished jobs took",
        "size_of": costs.sizes(entries, sources, PARTS),
        "cores": 2,
        "free": {"data": 1e6, "results": 1e6},
    }
    return Plan(**settings | changes)


def test_one_screen_for_thirty_data_sets() -> None:
    """A plan that scrolls away, or a line that a terminal breaks."""
    tasks = DATASETS["datasets"]
    jobs = {Job("extract_features", f"{task}/ResNet18") for task in tasks}
    jobs |= {Job("metrics_json", f"{task}/{name}") for task in tasks for name in NAMES[1:]}
    jobs |= {Job("download", source) for source in DATASETS["sources"]}
    states = {(task, name): State("missing") for task in tasks for name in NAMES}
    for task in list(tasks)[:9]:
        states[task, NAMES[0]] = State("failed", "fragment", f"{task}.json is broken ({'?' * 300})")
    found = [Finding(t, "will download", "", "", "", e["source"]) for t, e in tasks.items()]
    text = report(
        a_plan(
            jobs,
            states,
            findings=found,
            sources=DATASETS["sources"],
            size_of=costs.sizes(tasks, DATASETS["sources"], PARTS),
            per_unit={"extract_features/ResNet18": 0.1},
        )
    )
    lines = text.splitlines()
    assert sum(1 + len(line) // 80 for line in lines) <= 48
    assert all(len(line) <= 80 or "is broken" in line for line in lines)
    assert lines[0] == "180 experiments: 171 missing, 9 broken"
    assert "to download: 29.6 GB" in text
    assert "and 6 more: snakemake status --cores 1" in lines


def test_shared_source_is_paid_once() -> None:
    """The gigabytes of EMNIST times six."""
    text = report(
        a_plan([Job("download", "net"), *(Job("subset_index", t) for t in ("One", "Two"))])
    )
    assert "to download: 0.1 GB" in text
    assert "disk: 0.4 GB of data with their archives; free there: 1000.0 GB" in text.splitlines()
    small = {"data": 10.0, "results": 1e6}
    text = report(a_plan([Job("download", "net"), Job("subset_index", "One")], free=small))
    assert "free there: 0.0 GB; that is too little room" in text


def test_no_job_is_no_download() -> None:
    """Gigabytes promised for data whose features are long there."""
    assert "Nothing to do" in report(a_plan())
    assert "nothing to download" in report(a_plan([Job("subset_index", "One")]))


def test_time_is_of_all_cores_and_names_what_it_lacks() -> None:
    """Hours of one core, or a sum that hides what nobody has measured."""
    jobs = [Job("extract_features", "One/ResNet18"), Job("train_head", "One/a")]
    text = report(a_plan(jobs, per_unit={"extract_features/ResNet18": 0.2}))
    assert "time: about 10 min on 2 cores, by what finished jobs took" in text
    assert "not in it: 1 other job, of a kind that has not run here yet" in text


def test_done_but_to_be_done_again_is_said() -> None:
    """`1 done` of an experiment whose code has changed since."""
    states = {("One", "a"): State("done"), ("Two", "a"): State("done")}
    text = report(a_plan([Job("metrics_json", "One/a")], states))
    assert text.startswith("2 experiments: 1 done, 1 outdated\noutdated: of other settings or")
    assert "1 other data set: nothing to do" in text


def test_broken_fragment_is_named_with_its_reason() -> None:
    """A broken file counted as missing."""
    states = {("One", "a"): State("failed", "fragment", "x.json is broken (no JSON): delete it")}
    text = report(a_plan([], states))
    assert text.splitlines()[0] == "1 experiment: 1 broken"
    assert "One/a: x.json is broken (no JSON): delete it" in text
    text = report(a_plan([Job("metrics_json", "One/a")], states))
    assert "1 outdated" in text and "delete it" not in text


def test_summary_of_snakemake_is_read_by_job() -> None:
    """A job counted once per output, or one counted that has nothing to do."""
    header = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan"
    rows = [
        "r/metrics/One/a.json\t-\tmetrics_json\t-\tmissing\tupdate pending",
        "r/predictions/One/a.safetensors\t-\tmetrics_json\t-\tmissing\tupdate pending",
        "r/heads/One/a.safetensors\tnow\ttrain_head\t-\tok\tno update",
        "r/experiments.csv\t-\taggregate\t-\tmissing\tupdate pending",
        "r/curves.parquet\t-\taggregate\t-\tmissing\tupdate pending",
        "r/metabu/scaler.json\t-\texport_metabu\t-\tmissing\tupdate pending",
        "r/metabu/basic.csv\t-\texport_metabu\t-\tmissing\tupdate pending",
    ]
    assert parse_summary("\n".join([header, *rows]), PurePosixPath("r")) == {
        Job("metrics_json", "One/a"),
        Job("aggregate", ""),
        Job("export_metabu", ""),
    }


def test_snakemake_that_cannot_tell_is_no_traceback() -> None:
    """An empty plan, or a traceback, for an error of the inner Snakemake."""
    with pytest.raises(UserError, match="cannot tell what would run"):
        jobs_to_run(["false"], {}, PurePosixPath("results"))


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"train": 60000, "test": 10000}, 6000),
        ({"train": 1020, "test": 6149}, 2020),
        ({"pool": 300}, 300),
        ({}, 6000),
    ],
)
def test_extraction_is_as_large_as_what_is_drawn(declared, expected) -> None:
    """A small data set that costs as much as a large one, or a declaration that ends in KeyError."""
    size_of = costs.sizes({"One": {"images": declared}}, {}, PARTS)
    assert size_of(Job("extract_features", "One/ResNet18")) == expected
    assert size_of(Job("train_head", "One/a")) == 1


def test_every_shipped_data_set_has_a_size() -> None:
    """A run that dies at its start for a form of `images` that nobody thought of."""
    for name in ("datasets", "datasets-extended"):
        content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
        size_of = costs.sizes(content["datasets"], content.get("sources", {}), PARTS)
        sizes = [size_of(Job("extract_features", f"{t}/ResNet18")) for t in content["datasets"]]
        assert all(0 < size <= 6000 for size in sizes)


def test_costs_come_from_logs_of_finished_jobs(tmp_path: Path) -> None:
    """The seconds of a failed job, or of an architecture under another's name."""
    for name, text in {
        "extract_features/One/ResNet18": "facts\ncost: 600.00 s, 1.0 CPU s, 1.0 GB\n",
        "extract_features/One/MobileNetV2": "error: no\n",
        "train_head/One/a": "cost: 2.00 s, 1.0 CPU s, 1.0 GB\n",
        "train_head/One/b": "cost: 4.00 s, 1.0 CPU s, 1.0 GB\n",
    }.items():
        log = tmp_path / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    (tmp_path / "status.log").touch()
    rates = costs.rates(costs.recorded(tmp_path), costs.sizes({}, {}, PARTS))
    assert rates == {"extract_features/ResNet18": 0.1, "train_head": 3.0}


def test_other_engines_seconds_are_not_taken(tmp_path: Path) -> None:
    """Hours of OpenVINO promised for torch, or of a GPU for a CPU."""
    facts = {"engine": {"name": "torch"}, "precision": "float32", "device": "cuda (Card)"}
    write_arrays(tmp_path / "One/ResNet18.safetensors", {}, facts)
    (tmp_path / "One/MobileNetV2.safetensors").write_bytes(b"cut off")

    def others(**settings: str) -> set[str]:
        settings = {"engine": "torch", "precision": "float32", "device": "auto"} | settings
        return {job.name for job in costs.extracted_otherwise(tmp_path, **settings)}

    assert others() == {"One/MobileNetV2"}
    assert others(device="cuda") == {"One/MobileNetV2"}
    for change in ({"engine": "openvino"}, {"precision": "bfloat16"}, {"device": "cpu"}):
        assert "One/ResNet18" in others(**change)


@pytest.mark.parametrize(
    ("device", "cores", "expected"), [("cpu", 2, 1.0), ("cpu", 8, 2.0), ("cuda", 8, 8.0)]
)
def test_calibration_counts_no_core_that_is_not_there(
    tmp_path, monkeypatch, device, cores, expected
) -> None:
    """Half the hours with `--cores 8` on four cores, or on one card."""
    monkeypatch.setattr(
        calibration, "seconds_per_image", lambda *_, **__: ({"ResNet18": 1.0}, device)
    )
    monkeypatch.setattr(plan_times, "available_cores", lambda: 4)
    settings = {"engine": "torch", "precision": "float32", "device": "auto"}
    jobs = [Job("extract_features", "One/ResNet18")]
    per_unit, how = plan_times.expected_times(
        jobs, lambda job: 1.0, tmp_path, tmp_path, settings, cores
    )
    assert per_unit == {"extract_features/ResNet18": expected}
    assert f"calibration of 1 backbone on random pixels ({device})" in how


def test_calibration_keeps_its_limit_and_gives_each_backbone_a_rate(monkeypatch) -> None:
    """A question that takes minutes, or a division by no batch at all."""
    calls = []
    engine = SimpleNamespace(batch_images=2)
    monkeypatch.setattr(calibration, "build_engine", lambda *_, **__: engine)
    monkeypatch.setattr(calibration, "random_state", lambda *_: {})
    monkeypatch.setattr(calibration, "build_backbone", lambda *_: None)
    monkeypatch.setattr(calibration, "run_in_memory", lambda *_: calls.append(1))
    rates, device = calibration.seconds_per_image(
        ["ResNet18", "MobileNetV2"], engine="torch", precision="float32", device="cpu", limit=0.0
    )
    assert device == "cpu"
    assert rates.keys() == {"ResNet18", "MobileNetV2"}
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (120, "2 min"), (5900, "98 min"), (9000, "2.5 h")],
)
def test_durations_are_in_peoples_units(seconds, text) -> None:
    """`5400 s`, or `0.0 h`."""
    assert costs.duration(seconds) == text
