"""The weights of the backbones: found or fetched once, checked, and read as data."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaprobe.config.backbones import Backbone, File
from metaprobe.core.errors import UserError
from metaprobe.core.files import broken, cannot_write, digest_file, read_json
from metaprobe.data.transfer import RETRY_POLICY, RetryPolicy, TransferError, transfer
from metaprobe.features.networks import (
    check_known,
    import_timm,
    load_own,
    load_published,
    member_of,
)

if TYPE_CHECKING:
    import torch

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
SUFFIXES = (".safetensors", ".bin", ".pth")
# What a file calls the state dict where it holds more than that.
STATE_KEYS = ("state_dict", "model_state_dict", "model")
FACTS = ("id", "file", "sha256")


def weights_folder(own: str | None, data: str) -> Path:
    """Return where the weight files lie: in the user's own folder, or below the data."""
    return Path(own or Path(data, "weights")).expanduser()


def fetch(
    backbone: Backbone, folder: Path, *, download: bool, policy: RetryPolicy = RETRY_POLICY
) -> dict[str, Any]:
    """See that a backbone's weights are there; return the `id`, `file` and `sha256` of their file.

    Those that torch or the Hugging Face Hub have fetched for other programs are taken from their
    caches.

    Args:
        folder: where the files of the libraries lie, or are put.
        download: fetch a missing file; if False, a missing file is an error.

    Raises:
        UserError: the file is missing, cannot be fetched, or is not the published one.
    """
    if isinstance(backbone, File):
        file = backbone.own_file
        if not file.is_file():
            raise UserError(f"there is no file {file}")
        return _receipt(backbone, file.name, digest_file(file))
    fetching = _from_timm if backbone.origin == "timm" else _from_torchvision
    return fetching(backbone, folder, download, policy)


def place(backbone: Backbone, folder: Path) -> tuple[str, str]:
    """Return where a backbone's weights are, and where they come from if they must be fetched first.

    Returns:
        A file that is there, or an empty text; and the user's file, or an address.

    Raises:
        UserError: there is no such model, or it has no such weights.
    """
    if isinstance(backbone, File):
        return str(backbone.own_file) if backbone.own_file.is_file() else "", backbone.file
    if backbone.origin == "torchvision":
        url: str = member_of(backbone).url
        name = url.rpartition("/")[2]
        there = [folder / name, Path(_torch_cache(), name)]
        return next((str(one) for one in there if one.is_file()), ""), url
    known, name = _timm_weights(backbone)
    there = [*_named(folder, name), *_in_hub_cache(known)]
    return next((str(one) for one in there if one.is_file()), ""), _address(known)


def _receipt(backbone: Backbone, file: str, sha256: str) -> dict[str, Any]:
    return {"id": backbone.pretrained, "file": file, "sha256": sha256}


def _from_torchvision(
    backbone: Backbone, folder: Path, download: bool, policy: RetryPolicy
) -> dict[str, Any]:
    url = member_of(backbone).url
    file = folder / url.rpartition("/")[2]
    if not file.is_file():
        advice = f"put {url} there as {file}"
        if not download:
            raise UserError(f"weights_folder {folder} has no {file.name}: {advice}")
        part = folder / f".{file.name}.part"
        if not _copy_from_torch(file.name, part):
            _download(url, part, backbone, advice, policy)
        if _published(part, file.name) is None:
            part.unlink()
            raise UserError(f"{url} did not bring the published file: {advice}, and start again")
        part.replace(file)
    sha256 = _published(file, file.name)
    if sha256 is None:
        raise UserError(f"{file} is not the published file: delete it and start the run again")
    return _receipt(backbone, file.name, sha256)


def _download(url: str, part: Path, backbone: Backbone, advice: str, policy: RetryPolicy) -> None:
    try:
        transfer(url, part, None, policy)
    except TransferError as error:
        raise UserError(
            f"cannot fetch the weights of {backbone.model} ({error}): {advice}, and start again"
        ) from None
    except OSError as error:
        raise cannot_write(part, error) from error


def _published(file: Path, name: str) -> str | None:
    """Return the SHA-256 of `file` if it is the published file `name`, which ends in its first digits."""
    sha256 = digest_file(file)
    return sha256 if sha256.startswith(Path(name).stem.rpartition("-")[2]) else None


def _copy_from_torch(name: str, part: Path) -> bool:
    """Copy the file from torch's own folder ($TORCH_HOME) if it is there and the published one."""
    cached = _torch_cache() / name
    if not cached.is_file():
        return False
    if _published(cached, name) is None:
        print(f"{cached} is not used: it is not the published file", flush=True)
        return False
    _link_or_copy(cached, part)
    return True


def _torch_cache() -> Path:
    from torch.hub import get_dir

    return Path(get_dir(), "checkpoints")


def _link_or_copy(cached: Path, file: Path) -> None:
    """Put a file of a cache there, without a second copy where both are on one disk."""
    print(f"taken from {cached}", flush=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    try:
        os.link(cached.resolve(), file)
    except OSError:
        shutil.copyfile(cached, file)


def _from_timm(
    backbone: Backbone, folder: Path, download: bool, policy: RetryPolicy
) -> dict[str, Any]:
    known, name = _timm_weights(backbone)
    there = next((one for one in _named(folder, name) if one.is_file()), None)
    if there is None:
        advice = f"put {_address(known)} there as {next(_named(folder, name))}"
        if not download:
            raise UserError(f"weights_folder {folder} has no weights of {name}: {advice}")
        if known.hf_hub_id:
            cached = _from_hub(known.hf_hub_id, known.hf_hub_filename, name, advice)
            there = folder / f"{name}{cached.suffix}"
            _link_or_copy(cached, there)
        elif known.url:
            there = folder / f"{name}{Path(known.url).suffix or '.pth'}"
            part = folder / f".{there.name}.part"
            _download(known.url, part, backbone, advice, policy)
            part.replace(there)
        else:
            raise UserError(f"timm has no weights of {backbone.model} that could be fetched")
    return _receipt(backbone, there.name, digest_file(there))


def _timm_weights(backbone: Backbone) -> tuple[Any, str]:
    """Return what timm knows of a backbone's weights, and their whole name."""
    check_known("timm", backbone.pretrained)
    known = import_timm().get_pretrained_cfg(backbone.pretrained)
    return known, ".".join(filter(None, [known.architecture, known.tag]))


def _address(known: Any) -> str:
    """Return where timm's weights can be fetched by hand; an empty text if nowhere."""
    from huggingface_hub import hf_hub_url

    if not known.hf_hub_id:
        return known.url or ""
    return hf_hub_url(known.hf_hub_id, known.hf_hub_filename or HUB_FILES[0])


def _in_hub_cache(known: Any) -> Iterator[Path]:
    from huggingface_hub import try_to_load_from_cache

    names = [known.hf_hub_filename] if known.hf_hub_filename else HUB_FILES
    for file in names if known.hf_hub_id else ():
        if isinstance(found := try_to_load_from_cache(known.hf_hub_id, file), str):
            yield Path(found)


def _named(folder: Path, name: str) -> Iterator[Path]:
    for suffix in SUFFIXES:
        yield folder / f"{name}{suffix}"


def _from_hub(repository: str, filename: str | None, name: str, advice: str) -> Path:
    """Return the file in the cache of the Hugging Face Hub, which is filled if need be."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    last: Exception | None = None
    for file in [filename] if filename else HUB_FILES:
        try:
            return Path(hf_hub_download(repository, file))
        except (HfHubHTTPError, OSError) as error:
            last = error
            if isinstance(error, LocalEntryNotFoundError) or not isinstance(
                error, EntryNotFoundError
            ):  # nobody has said that there is no such file: another name would not help
                break
    said = " ".join(str(last).split())
    raise UserError(f"cannot fetch the weights of {name} ({said}): {advice}, and start again")


def read_receipt(path: str | Path) -> dict[str, Any]:
    """Return `id`, `file` and `sha256`, as `fetch` returned them; a UserError says if there are none."""
    found: dict[str, Any] = read_json(path)
    if not isinstance(found, dict) or not found.keys() >= set(FACTS):
        raise broken(path, "it is no receipt of weights")
    return {name: found[name] for name in FACTS}


def load_network(backbone: Backbone, receipt: dict[str, Any], folder: Path) -> "torch.nn.Module":
    """Return the whole network with the weights of a receipt; no pickled code is run.

    Raises:
        UserError: the file is gone, has changed, or does not fit the network.
    """
    file = backbone.own_file or folder / receipt["file"]
    if not file.is_file():
        raise UserError(f"{file} is gone: start the run with -R fetch_weights to fetch it again")
    if digest_file(file) != receipt["sha256"]:
        raise UserError(f"{file} has changed since it was fetched: delete it and start again")
    if isinstance(backbone, File):
        state = read_state(file)
        return load_own(backbone.of, backbone.model, state, backbone.rename, backbone.input_size)
    return load_published(backbone, file)


def read_state(file: Path) -> "dict[str, torch.Tensor]":
    """Return the state dict in a file, `.safetensors` or torch's own, also where others lie beside it.

    Raises:
        UserError: it holds none, or code that would have to be run.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{file} cannot be read as weights ({said})") from None
    for key in STATE_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise UserError(f"{file} holds no state dict")
    found = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not found:
        raise UserError(f"{file} holds no state dict")
    return found
