"""`metaprobe plan`: what would run and what it would cost, on one screen; nothing starts."""

from pathlib import Path

import pytest
import yaml
from checkouts import ROOT
from entries import typed, typed_entries, typed_sources
from metaprobe.core.arrays import write_arrays
from metaprobe.core.errors import UserError
from metaprobe.operations.doctor import Finding
from metaprobe.operations.planning import costs
from metaprobe.operations.planning.activation_room import check_room, megabytes_of
from metaprobe.operations.planning.costs import Job
from metaprobe.operations.planning.plan import Plan, Work, report
from metaprobe.operations.status import State
from test_layout import a_workflow

PARTS = {"train": 5000, "test": 1000}
DATASETS = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())
NAMES = [f"configuration-{number}" for number in range(6)]


def a_plan(jobs=(), states=None, **changes) -> Plan:
    """Of two data sets that share a source."""
    sources = typed_sources({"net": {"download_mb": 100.0, "extracted_mb": 300.0}})
    entries = typed_entries({name: {"kind": "pcam", "source": "net"} for name in ("One", "Two")})
    settings = {
        "states": states or {(task, "a"): State("missing") for task in entries},
        "jobs": frozenset(jobs),
        "findings": [Finding(t, "will download", "", "", "", "net") for t in entries],
        "sources": sources,
        "per_unit": {},
        "size_of": costs.sizes(entries, sources, PARTS),
        "cores": 2,
        "free": {"data": 1e6, "results": 1e6},
        "backbones": {"ResNet18": Work(1.81, 512)},
    }
    return Plan(**settings | changes)


def test_one_screen_for_thirty_data_sets() -> None:
    """A plan that scrolls away, or a line that a terminal breaks."""
    tasks, sources = typed_entries(DATASETS["datasets"]), typed_sources(DATASETS["sources"])
    jobs = {Job("extract_features", f"{task}/ResNet18") for task in tasks}
    jobs |= {Job("metrics_json", f"{task}/{name}") for task in tasks for name in NAMES[1:]}
    jobs |= {Job("download", source) for source in sources}
    states = {(task, name): State("missing") for task in tasks for name in NAMES}
    for task in list(tasks)[:9]:
        states[task, NAMES[0]] = State("failed", "fragment", f"{task}.json is broken ({'?' * 300})")
    found = [Finding(t, "will download", "", "", "", e.source or "") for t, e in tasks.items()]
    text = report(
        a_plan(
            jobs,
            states,
            findings=found,
            sources=sources,
            size_of=costs.sizes(tasks, sources, PARTS),
            per_unit={"extract_features/ResNet18": 0.1},
        )
    )
    lines = text.splitlines()
    assert sum(1 + len(line) // 80 for line in lines) <= 48
    assert all(len(line) <= 80 or "is broken" in line for line in lines)
    assert lines[0] == "180 experiments: 171 missing, 9 broken"
    assert "to download: 29.6 GB" in text
    assert "and 6 more: metaprobe status" in lines


def test_derived_data_sets_beyond_a_screen_are_in_their_parents_lines() -> None:
    """377 lines of a plan, in which nobody finds the data set that is to be fetched by hand."""
    tasks, sources = typed_entries(DATASETS["datasets"]), typed_sources(DATASETS["sources"])
    many = yaml.safe_load((ROOT / "config/derived-300.yaml").read_text())["datasets"]
    parents = {task: entry["from"] for task, entry in many.items()}
    whole = {**tasks, **typed_entries(many)}
    jobs = {Job("extract_features", f"{task}/ResNet18") for task in tasks if task != "MNIST"}
    jobs |= {Job("metrics_json", f"{task}/{name}") for task in many for name in NAMES}
    states = {(task, name): State("missing") for task in whole for name in NAMES}
    states |= {("MNIST", name): State("done") for name in NAMES}
    found = [Finding(t, "will download", "", "", "", e.source or "") for t, e in tasks.items()]
    found[[*tasks].index("FER2013")] = Finding("FER2013", "manual", "", "", "", "fer2013")
    settings = {
        "findings": found,
        "sources": sources,
        "size_of": costs.sizes(whole, sources, PARTS),
    }

    def told(**changes) -> list[str]:
        return report(a_plan(jobs, states, **settings, **changes)).splitlines()

    assert sum(line.startswith("CIFAR10_") for line in told()) > 5
    lines = told(parents=parents)
    assert all(len(line) <= 80 for line in lines) and len(lines) < 48
    number = {
        parent: [*parents.values()].count(parent) for parent in ("CIFAR10", "MNIST", "FER2013")
    }

    def row(name: str) -> list[str]:
        (line,) = (line for line in lines if line.startswith(name))
        return line.removeprefix(name).split()

    of_cifar = ["0", f"{6 * (1 + number['CIFAR10'])}", f"{1 + 6 * number['CIFAR10']}"]
    assert row(f"CIFAR10 + {number['CIFAR10']} derived ")[:3] == of_cifar
    assert row(f"MNIST: {number['MNIST']} derived ")[:2] == ["0", f"{6 * number['MNIST']}"]
    assert row(f"FER2013 + {number['FER2013']} derived ")[3:5] == ["by", "hand"]
    assert "1 other data set: nothing to do" in lines
    few = {job for job in jobs if job.first in ("CIFAR10", *list(many)[:39])}
    few_lines = report(a_plan(few, states, **settings, parents=parents))
    assert "derived" not in few_lines and f"\n{next(iter(many))} " in few_lines


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


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"train": 60000, "test": 10000}, 6000),
        ({"train": 1020, "test": 6149}, 2020),
        ({"pool": 300}, 300),
        (None, 6000),
    ],
)
def test_extraction_is_as_large_as_what_is_drawn(declared, expected) -> None:
    """A small data set that costs as much as a large one, or a declaration that ends in KeyError."""
    size_of = costs.sizes({"One": typed({"kind": "pcam", "images": declared})}, {}, PARTS)
    assert size_of(Job("extract_features", "One/ResNet18")) == expected
    assert size_of(Job("train_head", "One/a")) == 1


def test_every_shipped_data_set_has_a_size() -> None:
    """A run that dies at its start for a form of `images` that nobody thought of."""
    for name in ("datasets", "datasets-extended"):
        content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
        size_of = costs.sizes(
            typed_entries(content["datasets"]), typed_sources(content.get("sources", {})), PARTS
        )
        sizes = [size_of(Job("extract_features", f"{t}/ResNet18")) for t in content["datasets"]]
        assert all(0 < size <= 6000 for size in sizes)


def test_no_time_is_told_of_kinds_that_never_ran() -> None:
    """Minutes of the heads alone for a data set whose backbones take hours."""
    jobs = [Job("extract_features", "One/ResNet18"), Job("train_head", "One/a")]
    assert "time: ? until a first job of each kind has run here" in report(a_plan(jobs))
    row = next(line for line in report(a_plan(jobs, per_unit={"train_head": 1.0})).splitlines()[5:])
    assert row.split()[0] == "One" and row.endswith("?")


def benchmark(file: Path, seconds: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t-\n")


def test_costs_come_from_benchmarks_of_finished_jobs(tmp_path: Path) -> None:
    """The seconds of a killed job, or of an architecture under another's name."""
    for name, seconds in {
        "extract_features/One/ResNet18": "600.0000",
        "train_head/One/a": "2.0",
        "train_head/One/b": "4.0",
        "train_head/One/c": "",
    }.items():
        benchmark(tmp_path / f"{name}.tsv", seconds)
    (tmp_path / "train_head/One/d.tsv").touch()
    rates = costs.rates(costs.recorded(tmp_path), costs.sizes({}, {}, PARTS))
    assert rates == {"extract_features/ResNet18": 0.1, "train_head": 3.0}


def test_known_costs_are_of_the_same_settings(tmp_path: Path) -> None:
    """A plan for OpenVINO by the seconds of torch."""
    facts = {"engine": {"name": "torch"}, "precision": "float32", "device": "cpu"}
    write_arrays(tmp_path / "features/One/ResNet18.safetensors", {}, facts)
    benchmark(tmp_path / "logs/extract_features/One/ResNet18.tsv", "600.0")
    benchmark(tmp_path / "logs/train_head/One/a.tsv", "2.0")
    how = {"precision": "float32", "device": "auto"}

    def kinds(engine: str) -> set[str]:
        size_of = costs.sizes({}, {}, PARTS)
        return {*costs.known(tmp_path, tmp_path / "logs", size_of, engine=engine, **how)}

    assert kinds("torch") == {"extract_features/ResNet18", "train_head"}
    assert kinds("openvino") == {"train_head"}


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
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (120, "2 min"), (5900, "98 min"), (9000, "2.5 h")],
)
def test_durations_are_in_peoples_units(seconds, text) -> None:
    """`5400 s`, or `0.0 h`."""
    assert costs.duration(seconds) == text


def test_many_backbones_are_priced_one_by_one() -> None:
    """A week of computing that nobody has seen coming, or a guess that looks like a measurement."""
    gflop = {"Tiny": 1.0, "Large": 10.0, "Small": 2.0, "Middle": 4.0}
    jobs = {Job("extract_features", f"{task}/{name}") for task in ("One", "Two") for name in gflop}
    work = {name: Work(one, 100) for name, one in gflop.items()}

    def times(**per_unit: float) -> dict[str, str]:
        rates = {f"extract_features/{name}": rate for name, rate in per_unit.items()}
        lines = report(a_plan(jobs, backbones=work, per_unit=rates)).splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith("backbone"))
        cells = [line.split() for line in lines[start + 1 : start + 5]]
        assert [one[0] for one in cells] == ["Large", "Middle", "Small", "Tiny"]
        assert {one[1] for one in cells} == {"12,000"}
        return {one[0]: " ".join(one[4:]) for one in cells}

    assert set(times().values()) == {"?"}
    assert times(Small=0.02) == {
        "Large": "~10 min",
        "Middle": "~4 min",
        "Small": "2 min",
        "Tiny": "~60 s",
    }


def test_activations_are_priced_and_must_fit(tmp_path: Path) -> None:
    """A disk that fills up after hours, or a cache that nobody has seen coming."""
    recipes = {
        "block": {"architecture": "ResNet18", "learning_rate": 0.1, "trainable": "last_block"},
        "all": {"architecture": "ResNet18", "learning_rate": 0.1, "trainable": "all"},
    }
    flow = a_workflow(tmp_path, configurations=recipes)
    names = [
        f"One/ResNet18/{cut}/{part}"
        for cut in ("last_block.float16", "pixels.uint8")
        for part in ("train", "test", "validation-100", "flip-0")
    ]
    found = megabytes_of(flow, [Job("cache_activations", name) for name in names])
    images = 5000 + 1000 + 100 + 5000
    assert found["One/ResNet18/last_block.float16"] == pytest.approx(256 * 14 * 14 * 2e-6 * images)
    assert found["One/ResNet18/pixels.uint8"] == pytest.approx(3 * 224 * 224 * 1e-6 * images)
    check_room(found, 3000.0)
    told = r"up to 2.8 GB \(the largest: One/ResNet18/pixels.uint8, 1.7 GB"
    with pytest.raises(UserError, match=told):
        check_room(found, 2000.0)
    assert megabytes_of(flow, [Job("extract_features", "One/ResNet18")]) == {}
