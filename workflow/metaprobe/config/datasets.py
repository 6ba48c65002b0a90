"""A data set's entry, one model per kind.

A new kind is a model here, and a module of its name in `data/readers`; but `derived` reads no files.
"""

from collections.abc import Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    model_serializer,
    model_validator,
)

from metaprobe.config.model import DISTINCT, WHOLE, Integer, Model, Positive, contradiction, refusal
from metaprobe.config.places import Cell, FileInside, Inside, Place

Sampling = Literal["random", "stratified"]
Transform = Literal["grey", "colour"]
OF_PARENT = (
    *("images", "partial", "transform", "sampling", "skip_broken_images", "trees", "source"),
    *("family", "licence"),
)
DERIVATION = ("from", "classes", "train_images", "imbalance", "label_noise")
LEAST_IMAGES = 2  # of a class, to train on
Arguments = dict[str, JsonValue]


class Images(Model):
    """The published number of images of each pool."""

    train: Positive | None = None
    test: Positive | None = None
    pool: Annotated[int, Field(ge=2, le=10**12), WHOLE] | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> "Images":
        if not self.model_fields_set:
            raise refusal("at least 1 entry")
        return self


class Split(Model):
    """How one pool becomes a training and a test pool."""

    rule: Literal["stratified", "random"]
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Entry(Model):
    """What must be known of a data set, whatever its kind."""

    kind: str
    """who reads it"""
    classes: Annotated[int, Field(ge=2, le=1_000_000), WHOLE]
    """number of classes; checked before anything is trained"""
    images: Images | None = None
    """images in `train` and `test`, or in `pool`, as published; checked"""
    partial: bool = False
    """work with the part that is there: nothing is downloaded, the counts are not checked, and
    every fragment says so"""
    transform: Transform = "colour"
    """`grey`: one luminance channel three times, resized to 224 × 224. `colour`: RGB, shorter side
    resized to 256, centre crop of 224"""
    sampling: Sampling | None = None
    """how its subset is drawn, if not as the run's `sampling` says"""
    skip_broken_images: Annotated[float, Field(ge=0, lt=1)] = 0
    """leave out pictures that do not decode, if they are no more than this share of those drawn;
    they are named in the log and counted in every fragment and in the report"""
    trees: dict[Inside, str] = Field(default={})
    """other places of class folders that are read instead of the entry's own files, as
    `<data>/<task_id>` is, relative to the data folder → what the fragments note of them"""
    source: str | None = None
    """the entry of `sources` that brings its files; absent for data that is already there"""
    family: Cell | None = None
    """data sets of one family share images, or nearly so; an evaluation must hold them out
    together"""
    licence: str | None = None
    """for people"""
    note: str | None = None
    """for people"""


def _kept(value: object) -> object:
    """A number of classes, or their names."""
    if isinstance(value, list):
        named = all(isinstance(one, str) for one in value) and len({*value}) == len(value) >= 2
    else:
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        named = isinstance(value, int) and not isinstance(value, bool) and value >= 2
    if value is not None and not named:
        raise refusal("2 or more, or a list of at least 2 names, each once")
    return value


class Derived(Entry):
    """Some of the images of another data set, on the features that are there of them."""

    kind: Literal["derived"]
    of: str = Field(alias="from")
    """the data set, itself not derived"""
    classes: Annotated[int | list[str] | None, BeforeValidator(_kept)] = None  # type: ignore[assignment]
    """how many of its classes are kept, drawn from those with enough images; or their names; absent:
    all"""
    train_images: Annotated[int, Field(ge=2 * LEAST_IMAGES, le=10**7), WHOLE] | None = None
    """training images kept, at most: in proportion to the classes, at least 2 of each; absent: all
    of its subset"""
    imbalance: Annotated[float, Field(ge=1, le=10**6)] | None = None
    """images of the largest class over those of the smallest, the others in geometric steps between;
    which class is how large is drawn"""
    label_noise: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of the training labels that are replaced by another class, each as likely; test labels stay"""

    @model_validator(mode="after")
    def _is_another_task(self) -> "Derived":
        for name in OF_PARENT:
            if name in self.model_fields_set:
                raise contradiction(f"{name} is that of {self.of}: leave it out")
        if len(self.derivation) == 1:
            raise contradiction(
                f"is {self.of} itself: say classes, train_images, imbalance or label_noise"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_the_parents(self, written: SerializerFunctionWrapHandler) -> Arguments:
        return {key: one for key, one in written(self).items() if key not in OF_PARENT}

    @property
    def derivation(self) -> Arguments:
        """What decides which images it has, under which labels, of the keys that it says."""
        told = self.parameters(defaults=False)
        return {key: told[key] for key in DERIVATION if key in told}

    def completed(self, parent: Entry) -> "Derived":
        """Return the entry with what is its parent's: transform, sampling, licence, and its family, of
        which the parent's id is the name if it has none.
        """
        told = {name: getattr(parent, name) for name in ("transform", "sampling", "licence")}
        return self.model_copy(update={**told, "family": parent.family or self.of})


class Divided(Entry):
    """A data set that may come as one pool."""

    split: Split | None = None
    """how one pool is divided: `{rule: stratified, test_fraction: 0.2}` (if not said) or `rule:
    random`; not for data sets with an official split"""


def _arguments(value: object) -> object:
    """A list of argument sets; one set is a list of one."""
    sets = value if isinstance(value, list) else [value]
    if not sets or not all(isinstance(one, dict) for one in sets):
        raise refusal("arguments of the class, or a list of such")
    return sets


Part = Annotated[
    list[Arguments],
    BeforeValidator(_arguments, json_schema_input_type=Arguments | list[Arguments]),
]


class Torchvision(Divided):
    """Any class of `torchvision.datasets`."""

    kind: Literal["torchvision"]
    class_name: str = Field(alias="class")
    """the class"""
    train: Part | None = None
    """arguments of the training part; several sets, as a list, are joined in their order"""
    test: Part | None = None
    """the same of the test part"""
    pool: Part | None = None
    """the same of the one pool, where there is no official split"""
    labels: str | None = None
    """the attribute that holds the labels; without it every image is decoded once to read them"""
    first_label: Integer = 0
    """number of the first class in the data set's own labels"""

    @model_validator(mode="after")
    def _has_its_parts(self) -> "Torchvision":
        if (self.pool is None) == (self.train is None):
            raise contradiction("needs either train and test, or pool")
        if (self.train is None) != (self.test is None):
            raise contradiction("needs both train and test")
        return self


class Folder(Divided):
    """One folder per class."""

    kind: Literal["folder"]
    path: Place | None = None
    """where it lies, absolute or relative to the data folder; absent: the task_id"""
    train: str = "train"
    """subfolder of the training part"""
    test: str = "test"
    """subfolder of the test part"""
    omit_classes: Annotated[list[str], DISTINCT] = Field(default=[])
    """class folders that are not part of the task"""
    minimum_class_images: Positive = 1
    """classes with fewer images are left out"""
    upright: bool = True
    """turn each picture as its EXIF orientation says; `false` for published data sets, which are
    read as they are stored"""


class HuggingFace(Divided):
    """A data set of the Hugging Face Hub; needs `pip install datasets`."""

    kind: Literal["huggingface"]
    path: Place
    """its id on the Hub, or a local folder"""
    revision: Inside
    """commit, tag or branch; a commit never changes"""
    config_name: str | None = None
    """the configuration, for data sets that have several"""
    image_column: str = "image"
    """the column of the pictures"""
    label_column: str = "label"
    """the column of the labels"""
    train: str = "train"
    """split of the training part"""
    test: str = "test"
    """split of the test part"""
    pool: str | None = None
    """the one split, in place of both"""
    first_label: Integer = 0
    """number of the first class in its labels"""

    @property
    def local_folder(self) -> Path | None:
        """The folder that `path` names, if it is one on this machine."""
        folder = Path(self.path).expanduser()
        is_path = self.path.startswith((".", "~", "/"))
        return folder if is_path or folder.is_dir() else None


class MedMNIST(Entry):
    """An npz file of MedMNIST."""

    kind: Literal["medmnist"]
    path: Place | None = None
    """the file, absolute or relative to the data folder; absent: `medmnist/`, the task_id in small
    letters, `.npz`"""


class Embedded(Divided):
    """Comes with the installed packages."""

    kind: Literal["embedded"]
    class_name: Literal["handwritten_digits", "generated_shapes", "generated_gratings"] = Field(
        alias="class"
    )
    """the generator"""


class STL10(Divided):
    """The binary files of STL-10."""

    kind: Literal["stl10"]
    pretext: Literal["rotation"] | None = None
    """a self-supervised task, instead of the data set's own labels"""


class FER2013(Divided):
    """The csv files of FER2013."""

    kind: Literal["fer2013"]


class Omniglot(Entry):
    """The background characters of Omniglot, divided by drawer."""

    kind: Literal["omniglot"]


class Table(Divided):
    """A folder of pictures, and a csv file with the class of each."""

    kind: Literal["table"]
    path: Place | None = None
    """the folder that holds both, or whose only such subfolder does, absolute or relative to the data
    folder; absent: the task_id"""
    table: FileInside = "labels.csv"
    """the csv file in it"""
    images_folder: Inside = "images"
    """the folder in it that the names in the table are relative to"""
    image_column: str = "FILE_NAME"
    """the column of the names of the pictures"""
    label_column: str = "CATEGORY"
    """the column of the classes"""
    suffix: str = ""
    """what a name lacks to be that of a file, such as `.jpeg`"""


class Npz(Entry):
    """An npz file of `images` and `labels` for each part."""

    kind: Literal["npz"]
    train: Place
    """the file of the training part, absolute or relative to the data folder"""
    test: Place
    """the file of the test part"""


class DSprites(Divided):
    """The HDF5 file of dSprites: one factor of its pictures."""

    kind: Literal["dsprites"]
    factor: Literal["shape", "scale", "orientation", "x_position", "y_position"]
    """what is told; with fewer `classes` than it has values, neighbours are one class"""


class SmallNORB(Entry):
    """The binary matrices of small NORB: what the left picture of each pair shows."""

    kind: Literal["smallnorb"]
    factor: Literal["category", "elevation", "azimuth", "lighting"]
    """what is told"""


class CLEVRDistance(Entry):
    """The pictures and scenes of CLEVR: how near the nearest object is, as VTAB divides it."""

    kind: Literal["clevr_distance"]


class PCAM(Entry):
    """The HDF5 files of PatchCamelyon."""

    kind: Literal["pcam"]


def _of_one_kind(base: type[Entry]) -> Iterator[type[Entry]]:
    for model in base.__subclasses__():
        if model.__annotations__.get("kind"):
            yield model
        yield from _of_one_kind(model)


KINDS = {
    str(get_args(model.model_fields["kind"].annotation)[0]): model for model in _of_one_kind(Entry)
}
if TYPE_CHECKING:
    AnyEntry = Entry
else:
    AnyEntry = Annotated[reduce(or_, KINDS.values()), Field(discriminator="kind")]
_ENTRY: TypeAdapter[Entry] = TypeAdapter(AnyEntry)


def parse_entry(content: object) -> Entry:
    """Return the data set's entry that `Entry.parameters` wrote."""
    return _ENTRY.validate_python(content)
