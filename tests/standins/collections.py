"""Small files in the formats of Meta-Album, CMATERdb, dSprites, small NORB and CLEVR's scenes."""

import csv
import json
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .pictures import generator, picture, save

NORB = {
    "training": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}


def write_meta_album(folder: Path, classes: tuple[str, ...], per_class: int) -> None:
    """images/<n>.jpg, labels.csv (FILE_NAME, CATEGORY, SUPER_CATEGORY) and info.json, not read."""
    rng = generator(folder.name)
    rows = [["FILE_NAME", "CATEGORY", "SUPER_CATEGORY"]]
    for number in range(per_class * len(classes)):
        label, name = number % len(classes), f"{number:03d}.jpg"
        save(picture(label, len(classes), (128, 128), 3, rng), folder / "images" / name)
        rows.append([name, classes[label], "NAN"])
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (folder / "info.json").write_text(json.dumps({"image_column_name": "FILE_NAME"}))


def write_cmaterdb(data: Path, script: str) -> None:
    """{training,testing}-images.npz: images (N, 32, 32, 3) uint8, labels (N,) int64."""
    folder = data / "cmaterdb" / f"{script}-numerals"
    folder.mkdir(parents=True)
    for part, count in {"training": 30, "testing": 20}.items():
        images = generator(script).integers(0, 256, (count, 32, 32, 3), np.uint8)
        np.savez(folder / f"{part}-images.npz", images=images, labels=np.arange(count) % 10)


def write_dsprites(data: Path, classes: NDArray[np.int64]) -> None:
    """imgs (N, 64, 64) uint8 of 0 and 1, latents/classes (N, 6) int64, of which the first is the colour."""
    (data / "dsprites").mkdir(parents=True)
    name = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"
    with h5py.File(data / "dsprites" / name, "w") as file:
        file["imgs"] = generator(name).integers(0, 2, (len(classes), 64, 64), np.uint8)
        file["latents/classes"] = classes


def write_norb_matrix(file: Path, array: NDArray[Any]) -> None:
    """A number for the type, the dimensions, their sizes (three at least), the values; little-endian."""
    magic = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}[array.dtype.name]
    sizes = [*array.shape, 1, 1][: max(3, array.ndim)]
    file.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f"<II{len(sizes)}I", magic, array.ndim, *sizes)
    file.write_bytes(header + array.astype(array.dtype.newbyteorder("<")).tobytes())


def write_smallnorb(data: Path, count: int = 36) -> None:
    """-dat (N, 2, 96, 96), -cat (N,) and -info (N, 4): instance, elevation, azimuth in steps of 2, light."""
    for stem in NORB.values():
        number = np.arange(count, dtype=np.int32)
        info = np.stack([number % 10, number % 9, number % 18 * 2, number % 6], axis=1)
        dat = generator(stem).integers(0, 256, (count, 2, 96, 96), np.uint8)
        parts = {"dat": dat, "cat": number % 5, "info": info}
        for key, array in parts.items():
            write_norb_matrix(data / "smallnorb" / f"{stem}-{key}.mat", array)


def write_clevr_scenes(data: Path, distances: list[float]) -> None:
    """images/<part>/*.png and scenes/CLEVR_<part>_scenes.json, whose objects have `pixel_coords` x, y, distance."""
    root = data / "clevr" / "CLEVR_v1.0"
    (root / "scenes").mkdir(parents=True)
    for part in ("train", "val"):
        scenes = []
        for number, distance in enumerate(distances):
            name = f"CLEVR_{part}_{number:06d}.png"
            save(np.zeros((32, 48, 3), np.uint8), root / "images" / part / name)
            objects = [{"pixel_coords": [240, 160, z]} for z in (distance + 3, distance)]
            scenes.append({"image_filename": name, "objects": objects})
        text = json.dumps({"info": {}, "scenes": scenes[::-1]})
        (root / "scenes" / f"CLEVR_{part}_scenes.json").write_text(text)
