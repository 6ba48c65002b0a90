"""The weights of the backbones: fetched once, checked, or seeded at random."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.metaprobe.architectures import ARCHITECTURES, random_state
from workflow.metaprobe.errors import UserError
from workflow.metaprobe.files import digest_arrays, digest_file

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]


def weights_folder(settings: dict[str, Any]) -> tuple[Path, bool]:
    """Where the weight files lie, and whether missing ones are to be fetched."""
    if "weights_folder" in settings:
        return Path(settings["weights_folder"]).expanduser(), False
    return Path(settings["data"]).expanduser() / "weights", True


def fetch_imagenet(architecture: str, folder: Path, *, download: bool) -> dict[str, Any]:
    """See that the ImageNet weights lie in `folder`; return the facts of the file.

    Args:
        download: fetch a missing file through torch.hub; if False, a missing file is an error.

    Raises:
        UserError: the file is missing, cannot be fetched, or is not the published one.
    """
    import torch
    from torchvision.models import get_weight

    weights_id = ARCHITECTURES[architecture].weights
    url = get_weight(weights_id).url
    file = folder / url.rpartition("/")[2]
    if not file.is_file():
        advice = f"put {url} there as {file}"
        if not download:
            raise UserError(f"weights_folder {folder} has no {file.name}: {advice}")
        folder.mkdir(parents=True, exist_ok=True)
        prefix = _digest_prefix(file)
        try:
            torch.hub.download_url_to_file(url, str(file), hash_prefix=prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"cannot fetch the weights of {architecture} ({error}): {advice}, and start again"
            ) from None
    sha256 = digest_file(file)
    if not sha256.startswith(_digest_prefix(file)):
        raise UserError(f"{file} is not the published file (its SHA-256 is {sha256}): delete it")
    return {"id": weights_id, "file": file.name, "sha256": sha256}


def load_imagenet(facts: dict[str, Any], folder: Path) -> State:
    """The weights that `fetch_imagenet` described, read as data (no pickled code is run)."""
    import torch

    file = folder / facts["file"]
    if not file.is_file():
        raise UserError(f"{file} is gone: start the run with -R fetch_weights to fetch it again")
    if digest_file(file) != facts["sha256"]:
        raise UserError(f"{file} has changed since it was fetched: delete it and start again")
    state: State = torch.load(file, map_location="cpu", weights_only=True)
    return state


def load_random(architecture: str, seed: int) -> tuple[State, dict[str, Any]]:
    """Seeded random weights and their facts."""
    state = random_state(architecture, seed)
    sha256 = digest_arrays({name: tensor.numpy() for name, tensor in state.items()})
    return state, {"id": f"random (seed {seed})", "file": None, "sha256": sha256}


def _digest_prefix(file: Path) -> str:
    """torch.hub's convention: resnet18-f37072fd.pth begins its SHA-256 with f37072fd."""
    return file.stem.rpartition("-")[2]
