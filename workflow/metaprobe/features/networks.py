"""Networks by their name in torchvision or timm: listed, built, loaded, and how they see pictures."""

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from metaprobe.config.backbones import Backbone
from metaprobe.core.errors import UserError
from metaprobe.data.transforms import Preprocessing

if TYPE_CHECKING:
    import torch

State = Mapping[str, "torch.Tensor"]
# torchvision's builders of these set it themselves with their published weights.
OLD_INPUT = ("googlenet", "inception_v3")


def import_timm() -> Any:
    """Return the package; a UserError says how to install it."""
    try:
        import timm
    except ImportError:
        raise UserError('library: timm is not installed: pip install ".[timm]"') from None
    return timm


def models_of(library: str) -> list[str]:
    """Return the names of all models of a library, without tags of weights."""
    if library == "timm":
        names: list[str] = import_timm().list_models()
        return names
    from torchvision import models

    return list(models.list_models(module=models))


def check_known(library: str, model: str) -> None:
    """See that a library has a model.

    Raises:
        UserError: it has not; the nearest names are in it.
    """
    name = model.partition(".")[0] if library == "timm" else model
    if name not in (known := models_of(library)):
        near = difflib.get_close_matches(name, known, n=3)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"{library} has no model {model}{hint}")
    if library == "timm" and "." in model and not import_timm().is_model_pretrained(model):
        tags = import_timm().list_pretrained(f"{name}.*")
        raise UserError(f"timm has no weights {model}: it has {', '.join(tags) or 'none of it'}")


def build(library: str, model: str, input_size: int | None = None) -> "torch.nn.Module":
    """Return an untrained network with its classifier, as the library initialises it.

    Args:
        input_size: side of its images, if not the library's own; for networks that are built for
            one size, as transformers with position embeddings are.

    Raises:
        UserError: there is no such model.
    """
    check_known(library, model)
    return _build(library, model, input_size, _untrained(library, model))


def _untrained(library: str, model: str) -> dict[str, Any]:
    """Return the options of a network that gets no published weights."""
    old = library == "torchvision" and model in OLD_INPUT
    return {"init_weights": False} if old else {}  # their own initialisation takes a minute


def _build(
    library: str, model: str, input_size: int | None, options: Mapping[str, Any]
) -> "torch.nn.Module":
    network: torch.nn.Module
    key = "img_size" if library == "timm" else "image_size"
    for sized in [{key: input_size}, {}] if input_size else [{}]:
        try:
            if library == "timm":
                network = import_timm().create_model(model, **sized, **options)
            else:
                from torchvision import models

                network = models.get_model(model, **sized, **options)
            return network
        except TypeError:
            if not sized:
                raise  # else: networks without position embeddings take images of any size
    raise AssertionError("the loop returns or raises")


def load_published(backbone: Backbone, file: Path) -> "torch.nn.Module":
    """Return a network with its published weights, which `file` holds, by the library's own loader.

    Pickled code is not run.
    """
    if backbone.origin == "timm":
        overlay = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
        return _build("timm", backbone.pretrained, backbone.input_size, overlay)
    import torch
    from torchvision.models import WeightsEnum

    def state_of(member: Any, *_: Any, **__: Any) -> Any:
        return torch.load(file, map_location="cpu", weights_only=True)

    member = member_of(backbone)
    with mock.patch.object(WeightsEnum, "get_state_dict", state_of):
        return _build("torchvision", backbone.model, backbone.input_size, {"weights": member})


def member_of(backbone: Backbone) -> Any:
    """Return the member of torchvision's enum that names the weights of a backbone.

    Raises:
        UserError: there is no such model, or it has no such weights.
    """
    from torchvision.models import get_model_weights

    check_known("torchvision", backbone.model)
    members: Any = get_model_weights(backbone.model)
    wanted = (getattr(backbone, "weights", None) or "DEFAULT").removeprefix(f"{members.__name__}.")
    if wanted not in members.__members__:
        known = ", ".join(members.__members__)
        raise UserError(f"torchvision's {backbone.model} has no weights {wanted}: it has {known}")
    return members[wanted]


def load_own(
    library: str, model: str, state: State, rename: Mapping[str, str], input_size: int | None
) -> "torch.nn.Module":
    """Return a network with a state dict of the user's.

    Args:
        rename: patterns of keys (regular expressions) and what stands in their place, in order.

    Raises:
        UserError: the state does not fit. The classifier's own weights are left out on both sides,
            as it is cut off: they may be of another number of classes, or absent.
    """
    check_known(library, model)
    options = _untrained(library, model)
    if options:
        options["transform_input"] = True
    network = _build(library, model, input_size, options)
    own = network.state_dict()
    head = f"{last_linear(network)[0]}."
    there = {
        key: value for key, value in renamed(state, rename).items() if not key.startswith(head)
    }
    wanted = {key: value for key, value in own.items() if not key.startswith(head)}
    misfits = {
        "is missing": [key for key in wanted if key not in there and not _is_counter(key)],
        "is not of this network": [key for key in there if key not in wanted],
        "has another shape": [
            f"{key} {tuple(there[key].shape)}, not {tuple(wanted[key].shape)}"
            for key in wanted
            if key in there and there[key].shape != wanted[key].shape
        ],
    }
    if found := [
        f"{keys[0]} {what} ({len(keys)} in all)" for what, keys in misfits.items() if keys
    ]:
        raise UserError(f"the state does not fit {library}'s {model}: {'; '.join(found)}")
    network.load_state_dict(own | there)
    return network


def renamed(state: State, rename: Mapping[str, str]) -> dict[str, "torch.Tensor"]:
    """Return a state dict whose keys are as the patterns, in order, turn them."""
    found = {}
    for key, value in state.items():
        for pattern, replacement in rename.items():
            key = re.sub(pattern, replacement, key)
        found[key] = value
    return found


def _is_counter(key: str) -> bool:
    """Return whether a key is BatchNorm's count of batches, which older files lack."""
    return key.endswith(".num_batches_tracked")


def last_linear(network: "torch.nn.Module") -> tuple[str, "torch.nn.Linear | None"]:
    """Return the name of the last linear layer of a network, and the layer; `` and None if none."""
    import torch

    linear = [(n, m) for n, m in network.named_modules() if isinstance(m, torch.nn.Linear)]
    return linear[-1] if linear else ("", None)


def preprocessing_of(backbone: Backbone) -> Preprocessing:
    """Return how pictures are prepared for a backbone's published weights.

    Where the entry names another size, the share that is cropped stays.

    Raises:
        UserError: the weights' way of preparing is none that is known here.
    """
    size = backbone.input_size
    if backbone.origin == "timm":
        check_known("timm", backbone.pretrained if backbone.own_file is None else backbone.model)
        return _of_timm(backbone.model if backbone.own_file else backbone.pretrained, size)
    preset = member_of(backbone).transforms()
    side, (resized,) = preset.crop_size[0], preset.resize_size
    return Preprocessing(
        size=size or side,
        resized=round(resized * size / side) if size else resized,
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _of_timm(model: str, size: int | None) -> Preprocessing:
    timm = import_timm()
    settings = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(model).to_dict()
    )
    side = size or settings["input_size"][1]
    if settings["crop_mode"] not in ("center", "squash") or settings["input_size"][0] != 3:
        raise UserError(
            f"timm prepares pictures for {model} in a way that is not known here (crop_mode: "
            f"{settings['crop_mode']}, input_size: {settings['input_size']}): set preprocessing: protocol"
        )
    scaled = math.floor(side / settings["crop_pct"])
    return Preprocessing(
        size=side,
        resized=scaled,
        squash=settings["crop_mode"] == "squash",
        interpolation=settings["interpolation"],
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
    )
