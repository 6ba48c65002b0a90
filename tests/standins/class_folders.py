"""Data sets whose labels are folder names: EuroSAT, Country211, RenderedSST2, Caltech101, Omniglot, LFW."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from .counts import CLASSES, COUNTS
from .names import CALTECH101, COUNTRIES, EUROSAT
from .pictures import generator, picture, save, uneven_size

CALTECH101_ANNOTATION_FOLDERS = {
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
    "airplanes": "Airplanes_Side_2",
}
CALTECH101_FOLDER_WITH_STRAY_FILE = "accordion"
OMNIGLOT_ALPHABETS = [
    "Alphabet_of_the_Magi",
    "Japanese_(katakana)",
    "Malay_(Jawi_-_Arabic)",
    "Tifinagh",
]
OMNIGLOT_CHARACTERS, OMNIGLOT_DRAWERS = 3, 20
LFW_PEOPLE = {
    "Aaron_Eckhart": 1,
    "Abdullah_al-Attiyah": 3,
    "Colin_Powell": 24,
    "George_W_Bush": 30,
    "Gerhard_Schroeder": 20,
    "Jennifer_Lopez": 19,
    "Tony_Blair": 22,
    "Zico": 2,
}


def write_eurosat(data: Path) -> None:
    """eurosat/2750/<class>/<class>_<n>.jpg, n without leading zeros."""
    rng = generator("eurosat")
    for number in range(COUNTS["EuroSAT"]["pool"]):
        label, name = number % len(EUROSAT), EUROSAT[number % len(EUROSAT)]
        path = data / "eurosat" / "2750" / name / f"{name}_{number // len(EUROSAT) + 1}.jpg"
        save(picture(label, len(EUROSAT), (64, 64), 3, rng), path)


def write_country211(data: Path) -> None:
    """country211/{train,valid,test}/<country>/<photo>.jpg, of uneven size."""
    rng = generator("country211")
    for part, count in (COUNTS["Country211"] | {"valid": len(COUNTRIES)}).items():
        for number in range(count):
            label = number % len(COUNTRIES)
            path = (
                data / "country211" / part / COUNTRIES[label] / f"{rng.integers(10**9, 10**10)}.jpg"
            )
            save(picture(label, len(COUNTRIES), uneven_size(number), 3, rng), path)


def write_rendered_sst2(data: Path) -> None:
    """rendered-sst2/{train,valid,test}/{negative,positive}/<n>.png, 448 x 448 RGB without colours."""
    rng = generator("rendered-sst2")
    names = ["negative", "positive"]
    for part, count in (COUNTS["RenderedSST2"] | {"valid": 20}).items():
        for number in range(count):
            label = number % len(names)
            coarse = picture(label, len(names), (56, 56), 1, rng)
            pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)
            path = data / "rendered-sst2" / part / names[label] / f"{number}.png"
            save(np.stack([pixels] * 3, axis=-1), path)


def write_caltech101(data: Path) -> None:
    """caltech101: grey and colour JPEGs mixed, a folder that is no class, a stray file, outlines beside."""
    rng = generator("caltech101")
    root = data / "caltech101"
    for number in range(COUNTS["Caltech101"]["pool"]):
        label, in_class = number % len(CALTECH101), number // len(CALTECH101) + 1
        name, size = CALTECH101[label], uneven_size(number)
        channels = 1 if number % 7 == 0 else 3
        path = root / "101_ObjectCategories" / name / f"image_{in_class:04d}.jpg"
        save(picture(label, len(CALTECH101), size, channels, rng), path)
        folder = root / "Annotations" / CALTECH101_ANNOTATION_FOLDERS.get(name, name)
        folder.mkdir(parents=True, exist_ok=True)
        box = np.array([[1, size[0], 1, size[1]]], np.uint16)
        outline = {"box_coord": box, "obj_contour": np.zeros((2, 4))}
        savemat(folder / f"annotation_{in_class:04d}.mat", outline)
    for number in range(1, 4):
        noise = rng.integers(0, 256, (50, 60, 3), np.uint8)
        save(noise, root / "101_ObjectCategories" / "BACKGROUND_Google" / f"image_{number:04d}.jpg")
    stray = root / "101_ObjectCategories" / CALTECH101_FOLDER_WITH_STRAY_FILE / ".DS_Store"
    stray.write_bytes(b"\x00\x00\x00\x01Bud1")


def write_omniglot(data: Path) -> None:
    """omniglot-py/images_background/<alphabet>/characterNN/<id>_<drawer>.png: 1-bit, dark strokes."""
    rng = generator("omniglot")
    for label in range(CLASSES["Omniglot"]):
        alphabet, character = divmod(label, OMNIGLOT_CHARACTERS)
        folder = data / "omniglot-py" / "images_background" / OMNIGLOT_ALPHABETS[alphabet]
        for drawer in range(1, OMNIGLOT_DRAWERS + 1):
            paper = picture(label, CLASSES["Omniglot"], (105, 105), 1, rng) > 80
            save(
                paper,
                folder / f"character{character + 1:02d}" / f"{label + 1:04d}_{drawer:02d}.png",
            )


def write_lfw(data: Path) -> None:
    """lfw-py/lfw_funneled/<Name>/<Name>_<n>.jpg; four people have 20 pictures or more; a list lies beside."""
    rng = generator("lfw")
    root = data / "lfw-py" / "lfw_funneled"
    for label, (name, count) in enumerate(LFW_PEOPLE.items()):
        for number in range(1, count + 1):
            pixels = picture(label, len(LFW_PEOPLE), (250, 250), 3, rng)
            save(pixels, root / name / f"{name}_{number:04d}.jpg")
    (root / "pairs_01.txt").write_text("Tony_Blair\t1\t2\n")
