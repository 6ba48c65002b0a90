"""Trees of class folders that are read in place of a data set's own files."""

from dataclasses import dataclass
from pathlib import Path

from metaprobe.config.datasets import (Entry, Folder)
from metaprobe.data.readers import folder


@dataclass(frozen=True)
class Tree:
    """A tree of class folders that is read in place of a data set's own files.

    Attributes:
        folder: relative to the data folder.
        note: what the fragments note of it; empty if nothing.
    """

    folder: str
    note: str


def tree_of(task_id: str, entry: Entry, data: Path) -> Tree | None:
    """Return the tree of class folders that replaces the entry's own files; None if there is none.

    It lies in `<data>/<task_id>/` or in one of the entry's `trees`. Of an entry that describes
    another folder, that folder goes first.
    """
    if isinstance(entry, Folder) and (data / Path(entry.path or task_id).expanduser()).is_dir():
        return None
    places = {task_id: "", **entry.trees}
    trees = (Tree(place, note) for place, note in places.items())
    return next((tree for tree in trees if folder.holds_tree(data / tree.folder)), None)


def as_tree(entry: Entry, tree: Tree) -> Folder:
    """Return the entry of the tree that replaces an entry's own files."""
    # Pictures of a published data set are read as they are stored, in whatever layout they come.
    own = Folder(kind="folder", classes=entry.classes, path=tree.folder, upright=False)
    if isinstance(entry, Folder):
        kept = {"omit_classes", "minimum_class_images", "upright"}
        return own.model_copy(update=entry.model_dump(include=kept))
    return own
