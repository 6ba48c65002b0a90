"""A folder as a new data set: its id, its classes, and what is refused."""

from pathlib import Path

import pytest
from metaprobe.config.datasets import Folder
from metaprobe.core.errors import UserError
from metaprobe.data.new_dataset import declare
from PIL import Image


def pictures(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (4, 4)).save(root / name / f"{number}.png")
    return root


def test_entry_of_a_folder_with_spaces(tmp_path) -> None:
    """An id that is no file name, or classes that the user must count."""
    root = pictures(tmp_path / "my birds (2026)", crow=12, tit=12, owl=12)
    name, entry = declare(f"{root}/", [])
    assert name == "my_birds_2026"
    assert entry == Folder(kind="folder", path=str(root), classes=3)


@pytest.mark.parametrize(
    ("folder", "counts", "reason"),
    [
        ("Birds", {"crow": 40}, "one class with pictures, crow; at least 2 are needed"),
        ("Birds", {"crow": 40, "owl": 2}, "class owl has 2 pictures to train on; at least 3"),
        ("Birds", {"crow": 5, "owl": 5}, "has 10 pictures to train on; at least 20"),
        ("mnist", {"crow": 40, "owl": 40}, "id of a declared data set, MNIST: rename the folder"),
        ("nan", {"crow": 40, "owl": 40}, "gives no id: rename it"),
        ("鳥", {"crow": 40, "owl": 40}, "gives no id: rename it"),
        ("Birds/train", {"crow": 40, "owl": 1}, "class owl has 1 pictures"),
    ],
)
def test_unfit_folder_is_explained(tmp_path, folder, counts, reason) -> None:
    """A recommendation from three pictures; a table's task overwritten; a traceback."""
    pictures(tmp_path / folder, **counts)
    if folder == "Birds/train":
        pictures(tmp_path / "Birds/test", crow=40, owl=40)
    with pytest.raises(UserError, match=reason):
        declare(str(tmp_path / Path(folder).parts[0]), ["MNIST"])


def test_missing_folder_is_explained(tmp_path) -> None:
    """A traceback for a typing mistake."""
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        declare(str(tmp_path / "nowhere"), [])
