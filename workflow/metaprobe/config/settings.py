"""The settings of the whole run, and with all entries: what the configuration files say as one object."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from metaprobe.config.backbones import AnyBackbone
from metaprobe.config.configurations import EPOCHS, Configuration, Grid
from metaprobe.config.datasets import AnyEntry, Sampling
from metaprobe.config.model import (
    DISTINCT,
    WHOLE,
    Model,
    UpTo10Million,
    UpTo1000,
    UpTo10000,
    refusal,
)
from metaprobe.config.places import OwnFolder, Place
from metaprobe.config.sources import Source
from metaprobe.core.durations import seconds_of

Names = Annotated[list[str], Field(min_length=1), DISTINCT]


SHORTEST = 10  # seconds: less is over before a picture is seen


def _budget(value: object) -> str:
    try:
        seconds = seconds_of(str(value))
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds < 1e9:
        raise refusal(f"a time of at least {SHORTEST} seconds, as 90s, 10min or 1h")
    return str(value)


Budget = Annotated[str, BeforeValidator(_budget)]
SECTIONS = ("datasets", "sources", "backbones", "configurations")  # id → entry
LONGEST_ID = 100
ID = rf"^(?!(?i:na|nan|none|null)\Z)[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_ID - 1}}}\Z"
Id = Annotated[str, Field(pattern=ID)]


class PathVars(Model):
    """Snakemake's path variables."""

    results: OwnFolder | None = None
    logs: OwnFolder | None = None


class Settings(Model):
    """What `config.yaml` says."""

    only_datasets: Names | None = None
    """data sets to run, in this order; absent: all"""
    only_configurations: Names | None = None
    """configurations to run, in this order; absent: all"""
    new_dataset: Place | None = None
    """a folder of class folders that `snakemake recommend --cores 2` ranks the configurations for, and
    `snakemake advise --cores 2` tries them on; it enters no table. See
    [docs/recommendation.md](../docs/recommendation.md)"""
    recommender: Literal["nearest", "metabu", "logme", "global_best"] = "nearest"
    """how it ranks: `nearest` (by the nearest tasks), `metabu` (the same in the space that Metabu
    learns; must be installed), `logme` (architecture by LogME), `global_best` (by the mean over all
    tasks)"""
    budget: Budget = "10min"
    """time that `metaprobe advise` may take: seconds, or with a unit, as `90s`, `10min`, `1h`"""
    neighbours: UpTo10000 = 10
    """nearest tasks that a recommendation rests on; the l-th counts exp(-l)"""
    described_by: Names = Field(default=["ResNet18", "EfficientNetB0", "MobileNetV2"])
    """backbones whose features describe a data set in `basic_representations.csv`, in this order; the
    first one's are the *embedding*. They need not be those of the configurations, and a backbone that
    is added changes no description"""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1), WHOLE] = 0
    """every draw of an experiment comes from (seed, data set, purpose); random weights from the
    seed alone. What defines a task (STL-10's rotations, the generated pictures) is the same for
    every seed"""
    train_images: UpTo10Million = 5000
    """training images drawn per data set; a smaller pool is taken whole"""
    test_images: UpTo10Million = 1000
    """the same for testing"""
    sampling: Sampling = "random"
    """`random`: without replacement. `stratified`: in proportion to the classes, at least one image
    each while there are as many images as classes"""
    epochs: UpTo10000 = EPOCHS
    """epochs of every configuration that does not name its own"""
    replicates: UpTo1000 = 1
    """heads per experiment, with the run's `seed` and the seeds after it: other initial heads,
    batches and dropout masks on the same images. `target_representations.csv` then holds the mean
    of each metric, `replicates.parquet` each value, `experiments.csv` the standard deviation.
    Changing it runs no backbone"""
    bootstrap_resamples: UpTo10000 = 50
    """rows per data set in `bootstrap_representations.csv`, which `snakemake bootstrap --cores 4`
    writes; each is of a random half of the training subset"""
    weights: Literal["imagenet", "random"] = "imagenet"
    """`imagenet`: the weights that each backbone's entry names, most of them trained on ImageNet.
    `random`: seeded and untrained, for demos and tests"""
    weights_folder: Place | None = None
    """a folder that already holds torchvision's weight files (`resnet18-f37072fd.pth`, …), for
    machines without internet; then nothing is fetched. Without it they are fetched once into
    `weights` in the data folder"""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """where backbones run: `auto` (CUDA, else Apple's MPS, else the CPU), `cpu`, `cuda`, `mps`.
    Heads are always trained on the CPU"""
    engine: Literal["torch", "openvino"] = "torch"
    """what runs the backbones: `torch`, or `openvino`, which is faster on CPUs (`pip install
    openvino`; kept from sending its usage statistics). Features agree to the last digits, not
    beyond, so a change computes them anew, and every fragment says which it was"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """arithmetic of the backbones: `float32`, or `bfloat16`, which is faster where the processor
    has it and changes some predictions; recorded in every fragment"""
    data: Place = "data"
    """folder of the downloaded data sets, in torchvision's own layout: a folder you already have
    can be used"""
    delete_archives: bool = False
    """delete downloaded archives once their content is unpacked and counted; otherwise they stay in
    `.archives` in the data folder"""
    verify_experiments: UpTo10000 = 10
    """finished experiments that `metaprobe verify` recomputes"""
    pathvars: PathVars = PathVars()
    """`results` and `logs`: where the run writes"""


class Files(Settings):
    """All that the configuration files say, merged into one mapping by Snakemake."""

    datasets: Annotated[dict[Id, AnyEntry], Field(min_length=1)]
    sources: dict[Id, Source] = Field(default={})
    backbones: Annotated[dict[Id, AnyBackbone], Field(min_length=1)]
    configurations: Annotated[dict[Id, Configuration], Field(min_length=1)]
    grid: Grid | None = None
