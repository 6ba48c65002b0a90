"""`doctor --deep`: each set opened, pictures decoded, counts and digests compared."""

from pathlib import Path
from typing import Any

import pytest
from entries import typed
from metaprobe.__main__ import main
from metaprobe.config.load import load_run
from metaprobe.config.reading import read_strictly
from metaprobe.data.dataset import open_dataset, pool_metadata
from metaprobe.operations import deep
from metaprobe.operations.doctor import Finding
from PIL import Image

ROOT = Path(__file__).parent.parent
ENTRY = {"kind": "folder", "classes": 2, "source": "net", "images": {"pool": 10}}


def write(root: Path, count: int = 5) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (9, 9), (60 * number, 90, 30)).save(root / name / f"{number}.png")
    return root


def look(
    data: Path, known: dict[str, Any] | None = None, **more: Any
) -> tuple[Finding, dict[str, Any]]:
    finding = Finding("Task", "ready", "all files are there", "", "", "net")
    entries = {"Task": typed(ENTRY | more)}
    findings, unknown = deep.deepened([finding], entries, data, known or {})
    return findings[0], dict(unknown)


def true_digests(data: Path) -> dict[str, Any]:
    return {"Task": pool_metadata(open_dataset("Task", typed(ENTRY), data))}


def test_true_copy_is_proved(tmp_path: Path) -> None:
    """A true copy called false; or digests that are asked for although they are known."""
    write(tmp_path / "Task")
    finding, unknown = look(tmp_path, true_digests(tmp_path))
    assert (finding.state, unknown) == ("ready", {})
    assert finding.detail == "opened: 10 images, 2 classes; as published"


def test_command_opens_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """An option that opens nothing."""
    settings = ["--checkout", str(ROOT), "--configfile", str(ROOT / "config/demo.yaml")]
    only = ["--config", "only_datasets=[Digits]"]
    assert main(["doctor", "--deep", *settings, *only]) == 0
    deep = capsys.readouterr().out
    assert main(["doctor", *settings, *only]) == 0
    assert "1 ready" in deep and deep != capsys.readouterr().out


def test_unknown_digests_are_said_and_printed(tmp_path: Path) -> None:
    """A copy called true that nothing was compared with; lines that config/digests.yaml refuses."""
    write(tmp_path / "Task")
    finding, unknown = look(tmp_path)
    assert finding.state == "ready" and "no digest published" in finding.detail
    lines = "\n".join(["digests:", *list(deep.to_publish(unknown))[1:]])
    (tmp_path / "digests.yaml").write_text(lines)
    assert read_strictly(tmp_path / "digests.yaml")["digests"] == true_digests(tmp_path)


def test_other_copy_is_not_ready(tmp_path: Path) -> None:
    """Another order of labels or names, with counts that are right."""
    root = write(tmp_path / "Task")
    known = true_digests(tmp_path)
    (root / "dog/4.png").rename(root / "dog/5.png")
    finding, unknown = look(tmp_path, known)
    assert finding.state == "broken" and unknown == {}
    assert finding.detail.startswith("not what was published: pool is {")


def test_wrong_count_is_not_ready(tmp_path: Path) -> None:
    """'ready' for what the first job then refuses."""
    write(tmp_path / "Task", 4)
    finding, _ = look(tmp_path)
    assert finding.state == "broken" and "the pool images number 8" in finding.detail


def test_picture_that_does_not_decode_is_named(tmp_path: Path) -> None:
    """'ready' for pictures that fail in the middle of a run."""
    root = write(tmp_path / "Task")
    (root / "dog/4.png").write_bytes(b"none")
    finding, unknown = look(tmp_path)
    assert finding.state == "broken" and "dog/4.png" in finding.detail and unknown == {}
    finding, _ = look(tmp_path, skip_broken_images=0.2)
    assert finding.state == "ready" and "dog/4.png" in finding.detail


@pytest.mark.parametrize("own", [{"source": None}, {"partial": True}])
def test_own_pictures_are_not_compared(tmp_path: Path, own: dict[str, Any]) -> None:
    """Users asked to publish the digests of their own pictures; a part called false."""
    root = write(tmp_path / "Task")
    known = true_digests(tmp_path)
    (root / "dog/4.png").rename(root / "dog/5.png")
    for digests in (known, {}):
        finding, unknown = look(tmp_path, digests, **own)
        assert (finding.state, unknown) == ("ready", {})
        assert finding.detail == "opened: 10 images, 2 classes"


def test_what_is_published_fits_the_entries() -> None:
    """Digests of tasks or parts that do not exist, or of other counts than those declared."""
    files = [
        ROOT / "config" / f"{name}.yaml"
        for name in ("config", "datasets", "backbones", "configurations")
    ]
    config = {key: value for file in files for key, value in read_strictly(file).items()}
    entries = load_run(config, [str(file) for file in files]).datasets
    for task_id, pools in deep.published().items():
        declared = entries[task_id].images
        assert declared is not None
        for pool, found in pools.items():
            assert found.keys() == {"images", "sha256"} and len(found["sha256"]) == 64
            assert declared.parameters()[pool] == found["images"], (task_id, pool)


def test_published_digest_is_that_of_the_definition(tmp_path: Path) -> None:
    """A published digest that no copy can have, as when the way it is computed changes."""
    (tmp_path / "stl10_binary").mkdir()
    with open(tmp_path / "stl10_binary/unlabeled_X.bin", "wb") as file:
        file.truncate(100_000 * 3 * 96 * 96)  # the labels do not depend on the pictures
    entry = typed({"kind": "stl10", "pretext": "rotation", "classes": 4})
    dataset = open_dataset("STL10_Unlabeled", entry, tmp_path)
    assert pool_metadata(dataset) == deep.published()["STL10_Unlabeled"]
