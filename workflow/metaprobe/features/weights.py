"""The weights of the backbones: fetched once, checked, or seeded at random."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, cannot_write, digest_arrays, digest_file, read_json
from metaprobe.data.transfer import PATIENCE, Patience, TransferError, transfer
from metaprobe.features.backbones import ARCHITECTURES, random_state, weights_id

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]


def weights_folder(settings: dict[str, Any]) -> tuple[Path, bool]:
    """Where the weight files lie, and whether missing ones are to be fetched."""
    if "weights_folder" in settings:
        return Path(settings["weights_folder"]).expanduser(), False
    return Path(settings["data"]).expanduser() / "weights", True


def fetch_imagenet(
    architecture: str, folder: Path, *, download: bool, patience: Patience = PATIENCE
) -> dict[str, Any]:
    """See that the ImageNet weights lie in `folder`; return the facts of the file.

    Args:
        download: fetch a missing file; if False, a missing file is an error.

    Raises:
        UserError: the file is missing, cannot be fetched, or is not the published one.
    """
    from torchvision.models import get_weight

    url = get_weight(ARCHITECTURES[architecture].weights).url
    file = folder / url.rpartition("/")[2]
    if not file.is_file():
        advice = f"put {url} there as {file}"
        if not download:
            raise UserError(f"weights_folder {folder} has no {file.name}: {advice}")
        part = folder / f".{file.name}.part"
        try:
            transfer(url, part, size=None, patience=patience)
        except TransferError as error:
            raise UserError(
                f"cannot fetch the weights of {architecture} ({error}): {advice}, and start again"
            ) from None
        except OSError as error:
            raise cannot_write(file, error) from error
        if _published(part, file.name) is None:
            part.unlink()
            raise UserError(f"{url} did not bring the published file: {advice}, and start again")
        part.replace(file)
    sha256 = _published(file, file.name)
    if sha256 is None:
        raise UserError(f"{file} is not the published file: delete it and start the run again")
    return {"id": weights_id(architecture, "imagenet", 0), "file": file.name, "sha256": sha256}


def load_weights(
    architecture: str, seed: int, receipt: str | None, folder: Path
) -> tuple[State, dict[str, Any]]:
    """The weights of a run and their facts.

    Args:
        receipt: what `fetch_weights` wrote; None: seeded random weights.
        folder: where the weight files are.
    """
    if receipt is None:
        return load_random(architecture, seed)
    facts = read_receipt(receipt)
    return load_imagenet(facts, folder), facts


def read_receipt(path: str | Path) -> dict[str, Any]:
    """The facts that `fetch_imagenet` returned.

    Raises:
        UserError: the file is missing or is no receipt.
    """
    facts: dict[str, Any] = read_json(path)
    if not isinstance(facts, dict) or not facts.keys() >= {"id", "file", "sha256"}:
        raise broken(path, "it is no receipt of weights")
    return facts


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
    return state, {"id": weights_id(architecture, "random", seed), "file": None, "sha256": sha256}


def _published(file: Path, name: str) -> str | None:
    """The SHA-256 of `file` if it is the published file `name`, which ends in its first digits."""
    sha256 = digest_file(file)
    return sha256 if sha256.startswith(Path(name).stem.rpartition("-")[2]) else None
