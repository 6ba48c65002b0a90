"""A pretrained backbone, one model per library: where it comes from, and nothing that can be found out."""

from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, model_validator

from metaprobe.config.model import WHOLE, Model, contradiction
from metaprobe.config.places import Place

Library = Literal["torchvision", "timm"]
Pooling = Literal["mean", "token", "both"]


class Backbone(Model):
    """What must be known of a backbone, wherever it comes from."""

    library: str
    """where it comes from"""
    model: str
    """its name there"""
    layer: str | None = None
    """the module whose output is taken; absent: what enters the last linear layer, or timm's
    `forward_head(pre_logits=True)`"""
    pooling: Pooling | None = None
    """how maps or tokens become one vector: `mean` over positions, the class `token`, or `both`, one
    after the other; absent: the library's own"""
    preprocessing: Literal["protocol", "own"] = "own"
    """`own`: size, crop, interpolation, mean and deviation as the weights were trained with.
    `protocol`: the run's two transforms, with the constants of ImageNet, whatever the weights"""
    input_size: Annotated[int, Field(ge=16, le=2048), WHOLE] | None = None
    """side of the square it sees, if not the library's own"""
    licence: str | None = None
    """of the weights; for people"""
    note: str | None = None
    """for people"""

    @model_validator(mode="after")
    def _sees_one_size(self) -> "Backbone":
        if self.preprocessing == "protocol" and self.input_size is not None:
            raise contradiction("input_size means nothing to preprocessing: protocol")
        return self

    @property
    def origin(self) -> Library:
        """The library that builds it."""
        raise NotImplementedError

    @property
    def own_file(self) -> Path | None:
        """The user's file of weights; None where the library has them."""
        return None

    @property
    def pretrained(self) -> str:
        """How fragments name its weights."""
        raise NotImplementedError


class Torchvision(Backbone):
    """Any classifier of `torchvision.models`."""

    library: Literal["torchvision"]
    weights: str | None = None
    """member of its enum, such as `IMAGENET1K_V1`; absent: torchvision's default"""

    @model_validator(mode="after")
    def _can_be_pooled(self) -> "Torchvision":
        if self.pooling is not None and self.layer is None:
            raise contradiction("pooling needs a layer, as torchvision has none for it")
        return self

    @property
    def origin(self) -> Library:
        """The library that builds it."""
        return "torchvision"

    @property
    def pretrained(self) -> str:
        """The weights as they are written, with the enum or the model they are of."""
        weights = self.weights or "DEFAULT"
        return weights if "." in weights else f"{self.model}.{weights}"


class Timm(Backbone):
    """Any model of timm; `pip install --editable ".[timm]"`."""

    library: Literal["timm"]
    weights: str | None = None
    """timm's tag, which may also end `model`; absent: timm's default"""

    @model_validator(mode="after")
    def _has_one_tag(self) -> "Timm":
        if self.weights is not None and "." in self.model:
            raise contradiction("weights stand in the name of the model already")
        return self

    @property
    def origin(self) -> Library:
        """The library that builds it."""
        return "timm"

    @property
    def pretrained(self) -> str:
        """The name of the model with its tag."""
        return f"{self.model}.{self.weights}" if self.weights else self.model


class File(Backbone):
    """A network of one of the libraries with weights of the user's."""

    library: Literal["file"]
    of: Library
    """the library that builds the network"""
    file: Place
    """the state dict: `.safetensors`, or a `.pth`, in which no code is run"""
    rename: dict[str, str] = Field(default={})
    """patterns of its keys (regular expressions) and what stands in their place, in this order"""

    @property
    def origin(self) -> Library:
        """The library that builds it."""
        return self.of

    @property
    def own_file(self) -> Path:
        """The user's file of weights."""
        return Path(self.file).expanduser()

    @property
    def pretrained(self) -> str:
        """The network and the name of the file; its digest stands beside it."""
        return f"{self.of} {self.model} from {self.own_file.name}"


_MODELS: tuple[type[Backbone], ...] = (Torchvision, Timm, File)
LIBRARIES = {get_args(one.model_fields["library"].annotation)[0]: one for one in _MODELS}
if TYPE_CHECKING:
    AnyBackbone = Backbone
else:
    AnyBackbone = Annotated[reduce(or_, _MODELS), Field(discriminator="library")]
_ANY: TypeAdapter[Backbone] = TypeAdapter(AnyBackbone)


def parse_backbone(content: object) -> Backbone:
    """Return the backbone of `parameters()`, as a rule hands it to its script."""
    return _ANY.validate_python(content)


def weights_id(backbone: Backbone, weights: str, seed: int) -> str:
    """Return how fragments name the weights; `random` with its seed."""
    return backbone.pretrained if weights == "imagenet" else f"random (seed {seed})"


def backbone_here(told: dict[str, Any], own: dict[str, Any]) -> Backbone:
    """Return the backbone that a job was told of, with the file of weights where this machine has it.

    Args:
        told: what decides the features: `Workflow.backbone`.
        own: its entry in the configuration.
    """
    return parse_backbone(told | ({"file": own["file"]} if "file" in own else {}))
