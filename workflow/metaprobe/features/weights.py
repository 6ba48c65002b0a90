"""The weights of the backbones: fetched once, checked, or seeded at random."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.config.backbones import Backbone
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, cannot_write, digest_arrays, digest_file, read_json
from metaprobe.data.transfer import RETRY_POLICY, RetryPolicy, TransferError, transfer
from metaprobe.features.backbones import random_state, weights_id

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]


def weights_folder(own: str | None, data: str) -> Path:
    """Return where the weight files lie: in the user's own folder, or below the data."""
    return Path(own or Path(data, "weights")).expanduser()


def fetch_imagenet(
    weights: str, folder: Path, *, download: bool, policy: RetryPolicy = RETRY_POLICY
) -> dict[str, Any]:
    """See that the ImageNet weights lie in `folder`; return the metadata of the file.

    Those that torch has fetched for other programs are copied.

    Args:
        weights: torchvision's enum and its member.
        download: fetch a missing file; if False, a missing file is an error.

    Raises:
        UserError: the file is missing, cannot be fetched, or is not the published one.
    """
    from torchvision.models import get_weight

    url = get_weight(weights).url
    network = weights.partition("_Weights")[0]
    file = folder / url.rpartition("/")[2]
    if not file.is_file():
        advice = f"put {url} there as {file}"
        if not download:
            raise UserError(f"weights_folder {folder} has no {file.name}: {advice}")
        part = folder / f".{file.name}.part"
        try:
            if not _copy_from_torch(file.name, part):
                transfer(url, part, None, policy)
        except TransferError as error:
            raise UserError(
                f"cannot fetch the weights of {network} ({error}): {advice}, and start again"
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
    return {"id": weights, "file": file.name, "sha256": sha256}


def _copy_from_torch(name: str, part: Path) -> bool:
    """Copy the file from torch's own folder ($TORCH_HOME) if it is there and the published one."""
    from torch.hub import get_dir

    cached = Path(get_dir(), "checkpoints", name)
    if not cached.is_file():
        return False
    if _published(cached, name) is None:
        print(f"{cached} is not used: it is not the published file", flush=True)
        return False
    print(f"copied from {cached}", flush=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cached, part)
    return True


def load_weights(
    backbone: Backbone, weights: str, seed: int, receipt: str | Path | None, folder: Path
) -> tuple[State, dict[str, Any]]:
    """Return the weights of a run and their metadata.

    Args:
        weights: `imagenet`, or `random`: seeded.
        receipt: of ImageNet's, what `fetch_weights` wrote.
        folder: where the weight files are.
    """
    if weights == "random":
        return load_random(backbone, seed)
    if receipt is None:
        raise ValueError("ImageNet weights without a receipt")
    metadata = read_receipt(receipt)
    return load_imagenet(metadata, folder), metadata


def read_receipt(path: str | Path) -> dict[str, Any]:
    """Return the metadata that `fetch_imagenet` returned; a UserError says if the file is no receipt."""
    metadata: dict[str, Any] = read_json(path)
    if not isinstance(metadata, dict) or not metadata.keys() >= {"id", "file", "sha256"}:
        raise broken(path, "it is no receipt of weights")
    return metadata


def load_imagenet(metadata: dict[str, Any], folder: Path) -> State:
    """Return the weights that `fetch_imagenet` described, read as data (no pickled code is run)."""
    import torch

    file = folder / metadata["file"]
    if not file.is_file():
        raise UserError(f"{file} is gone: start the run with -R fetch_weights to fetch it again")
    if digest_file(file) != metadata["sha256"]:
        raise UserError(f"{file} has changed since it was fetched: delete it and start again")
    state: State = torch.load(file, map_location="cpu", weights_only=True)
    return state


def load_random(backbone: Backbone, seed: int) -> tuple[State, dict[str, Any]]:
    """Return seeded random weights and their metadata."""
    state = random_state(backbone, seed)
    sha256 = digest_arrays({name: tensor.numpy() for name, tensor in state.items()})
    return state, {"id": weights_id(backbone, "random", seed), "file": None, "sha256": sha256}


def _published(file: Path, name: str) -> str | None:
    """Return the SHA-256 of `file` if it is the published file `name`, which ends in its first digits."""
    sha256 = digest_file(file)
    return sha256 if sha256.startswith(Path(name).stem.rpartition("-")[2]) else None
