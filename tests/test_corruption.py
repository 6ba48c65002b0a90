"""Files between the stages that rot: noticed where they are read, named, and never in the table."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkouts import planned, snakemake
from tiny_runs import TINY, checkout, host, metrics

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kind:
    """A kind of file: an example, another of its kind, and what is made of it."""

    path: str
    other: str
    made_of_it: tuple[str, ...]


KINDS = {
    "subset": Kind(
        "subsets/Tints.json",
        "subsets/Digits.json",
        ("features/Tints", "heads/Tints", "metrics/Tints"),
    ),
    "features": Kind(
        "features/Tints/ResNet18.safetensors",
        "features/Digits/ResNet18.safetensors",
        ("heads/Tints", "metrics/Tints"),
    ),
    "head": Kind(
        "heads/Tints/resnet18-plain.safetensors",
        "heads/Tints/resnet18-regularized.safetensors",
        ("metrics/Tints",),
    ),
    "fragment": Kind(
        "metrics/Tints/resnet18-plain.json",
        "metrics/Tints/resnet18-regularized.json",
        (),
    ),
}


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 2]) + content[position + 1 :]


# More kinds of damage, of all kinds of files, are tried where files are proved: test_damage.py.
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped in the data": lambda content: flip(content, len(content) * 2 // 3),
    "truncated": lambda content: content[: len(content) // 2],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with host(tmp_path_factory.mktemp("host")) as address:
        folder = checkout(tmp_path_factory.mktemp("finished") / "checkout", address)
        result = snakemake(folder, *TINY)
        assert result.returncode == 0, result.stdout
        yield folder


def replace_silently(file: Path, content: bytes) -> None:
    """As a disk does it that rots: the time of the last change stays."""
    times = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(times, times))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(one, marks=pytest.mark.long if one in ("head", "subset") else ())
        for one in KINDS
    ],
)
def test_corruption_is_named_and_mended(finished, tmp_path, kind: str) -> None:
    """A wrong number in the table, a traceback, or an advice that does not help."""
    folder = shutil.copytree(finished, tmp_path / "checkout", symlinks=True)
    expected = metrics(folder)
    file = folder / "results" / KINDS[kind].path
    sound = file.read_bytes()
    damages = {name: damage(sound) for name, damage in DAMAGE.items()}
    damages["of another"] = (folder / "results" / KINDS[kind].other).read_bytes()
    for name, content in damages.items():
        (folder / "results/target_representations.csv").unlink(missing_ok=True)
        for made in KINDS[kind].made_of_it:
            shutil.rmtree(folder / "results" / made, ignore_errors=True)
        replace_silently(file, content)
        result = snakemake(folder, *TINY)
        if name == "of another" and kind != "subset":  # sound, but by its own words of another
            assert result.returncode == 0, result.stdout
            assert "made again, as" in result.stdout
            assert metrics(folder) == expected
            continue
        assert result.returncode != 0, name
        said = [line for line in result.stdout.splitlines() if KINDS[kind].path in line]
        assert any("delete it" in line for line in said), (name, result.stdout)
        assert "Traceback" not in result.stdout, name
        assert not (folder / "results/target_representations.csv").exists(), name
        replace_silently(file, sound)
    file.unlink()
    result = snakemake(folder, *TINY)
    assert result.returncode == 0, result.stdout
    assert metrics(folder) == expected


def test_damaged_manifest_changes_no_number(finished, tmp_path) -> None:
    """A receipt from which numbers are taken although nothing checks them."""
    folder = shutil.copytree(finished, tmp_path / "checkout", symlinks=True)
    expected = metrics(folder)
    (folder / "results/sources/tints.json").write_text("{")
    result = snakemake(folder, *TINY)
    assert result.returncode == 0, result.stdout
    assert metrics(folder) == expected
    assert planned(folder, *TINY) == {}
