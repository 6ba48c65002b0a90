"""Data sets whose labels stand in lists beside the pictures: Flowers, Pets, DTD, GTSRB, Cars, Aircraft."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from .counts import CLASSES, COUNTS
from .names import DTD, PETS
from .pictures import generator, mixed_labels, picture, save, uneven_size

AIRCRAFT_QUIRKY_NAMES = [
    "A340-200",
    "Boeing 717",
    "Cessna 172",
    "DC-3",
    "F-16A/B",
    "F/A-18",
    "Hawk T1",
    "Yak-42",
]
AIRCRAFT_SIZE, AIRCRAFT_BANNER_HEIGHT = (60, 100), 20


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_flowers102(data: Path) -> None:
    """flowers-102: jpg/image_<5 digits>.jpg, imagelabels.mat and setid.mat, both counting from 1."""
    rng = generator("flowers102")
    folder, classes = data / "flowers-102", CLASSES["Flowers102"]
    train, test = COUNTS["Flowers102"]["train"], COUNTS["Flowers102"]["test"]
    labels = np.empty(train + test, np.uint8)
    order = rng.permutation(train + test)
    parts = {
        "trnid": order[: train // 2],
        "valid": order[train // 2 : train],
        "tstid": order[train:],
    }
    for indices in parts.values():
        labels[indices] = mixed_labels(len(indices), classes, rng)
    for number, label in enumerate(labels.tolist(), 1):
        pixels = picture(label, classes, uneven_size(number), 3, rng)
        save(pixels, folder / "jpg" / f"image_{number:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": labels[None] + 1})
    savemat(
        folder / "setid.mat",
        {name: (ids[None] + 1).astype(np.uint16) for name, ids in parts.items()},
    )


def save_pet(pixels: NDArray[np.uint8], path: Path, number: int) -> None:
    """Some files named .jpg are PNG with transparency, some are GIF with a palette."""
    if number % 40 == 3:
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        save(np.concatenate([pixels, opaque], axis=2), path, "PNG")
    elif number % 40 == 7:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).quantize(128).save(path, "GIF")
    else:
        save(pixels, path)


def write_oxford_iiit_pet(data: Path) -> None:
    """oxford-iiit-pet: images, annotations/{list,trainval,test}.txt (`<id> <class> <species> <breed>`), trimaps."""
    rng = generator("oxford-iiit-pet")
    images, annotations = (
        data / "oxford-iiit-pet" / "images",
        data / "oxford-iiit-pet" / "annotations",
    )
    cats = [name for name in PETS if name[0].isupper()]
    dogs = [name for name in PETS if not name[0].isupper()]
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for part, count in COUNTS["OxfordIIITPet"].items():
        for number in range(count):
            label = number % len(PETS)
            breed = PETS[label]
            species, in_species = (
                (1, cats.index(breed)) if breed in cats else (2, dogs.index(breed))
            )
            identity = f"{breed}_{number // len(PETS) + (1 if part == 'train' else 101)}"
            lines[part].append(f"{identity} {label + 1} {species} {in_species + 1}")
            save_pet(
                picture(label, len(PETS), uneven_size(number), 3, rng),
                images / f"{identity}.jpg",
                number,
            )
            save(
                np.full(uneven_size(number), 2, np.uint8),
                annotations / "trimaps" / f"{identity}.png",
            )
            (annotations / "trimaps" / f"._{identity}.png").write_bytes(b"\x00\x05\x16\x07")
    savemat(images / "Abyssinian_1.mat", {"rogue": np.zeros(1)})
    write_lines(annotations / "trainval.txt", sorted(lines["train"], key=str.lower))
    write_lines(annotations / "test.txt", sorted(lines["test"], key=str.lower))
    header = ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids"]
    write_lines(
        annotations / "list.txt", header + sorted(lines["train"] + lines["test"], key=str.lower)
    )


def write_dtd(data: Path) -> None:
    """dtd/dtd: images/<class>/<class>_<4 digits>.jpg and labels/{train,val,test}1.txt of partition 1."""
    rng = generator("dtd")
    folder = data / "dtd" / "dtd"
    train, test = COUNTS["DTD"]["train"], COUNTS["DTD"]["test"]
    used: Counter[int] = Counter()
    for part, count in {"train": train // 2, "val": train - train // 2, "test": test}.items():
        names = []
        for number in range(count):
            label = number % len(DTD)
            used[label] += 1
            names.append(f"{DTD[label]}/{DTD[label]}_{used[label]:04d}.jpg")
            save(
                picture(label, len(DTD), uneven_size(number), 3, rng), folder / "images" / names[-1]
            )
        write_lines(folder / "labels" / f"{part}1.txt", sorted(names))


def write_gtsrb(data: Path) -> None:
    """gtsrb: PPM in class folders for training; for testing one folder, and a csv with the labels."""
    rng = generator("gtsrb")
    root, classes = data / "gtsrb", CLASSES["GTSRB"]
    header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2"
    tables: dict[int, list[str]] = {label: [header + ";ClassId"] for label in range(classes)}
    for number in range(COUNTS["GTSRB"]["train"]):
        label, (height, width) = number % classes, uneven_size(number)
        name = f"{number // classes:05d}_{number % 30:05d}.ppm"
        save(
            picture(label, classes, (height, width), 3, rng),
            root / "GTSRB" / "Training" / f"{label:05d}" / name,
        )
        tables[label].append(f"{name};{width};{height};5;5;{width - 5};{height - 5};{label}")
    for label, table in tables.items():
        write_lines(root / "GTSRB" / "Training" / f"{label:05d}" / f"GT-{label:05d}.csv", table)
    rows = []
    for number, label in enumerate(mixed_labels(COUNTS["GTSRB"]["test"], classes, rng).tolist()):
        height, width = uneven_size(number)
        name = f"{number:05d}.ppm"
        save(
            picture(label, classes, (height, width), 3, rng),
            root / "GTSRB" / "Final_Test" / "Images" / name,
        )
        rows.append((f"{name};{width};{height};5;5;{width - 5};{height - 5}", label))
    unlabelled = root / "GTSRB" / "Final_Test" / "Images" / "GT-final_test.test.csv"
    write_lines(unlabelled, [header] + [row for row, _ in rows])
    write_lines(
        root / "GT-final_test.csv",
        [header + ";ClassId"] + [f"{row};{label}" for row, label in rows],
    )


def write_stanford_cars(data: Path) -> None:
    """stanford_cars: pictures, a MATLAB devkit, and the labelled test annotations beside it; classes from 1."""
    rng = generator("stanford-cars")
    root, classes = data / "stanford_cars", CLASSES["StanfordCars"]
    (root / "devkit").mkdir(parents=True, exist_ok=True)
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    files = {
        "train": root / "devkit" / "cars_train_annos.mat",
        "test": root / "cars_test_annos_withlabels.mat",
    }
    for part, count in COUNTS["StanfordCars"].items():
        annotations = np.empty((1, count), [(field, object) for field in fields])
        for number, label in enumerate(mixed_labels(count, classes, rng).tolist()):
            height, width = uneven_size(number)
            name = f"{number + 1:05d}.jpg"
            channels = 1 if number % 50 == 0 else 3
            save(
                picture(label, classes, (height, width), channels, rng),
                root / f"cars_{part}" / name,
            )
            box = [np.uint16(value) for value in (1, 1, width, height)]
            annotations[0, number] = (*box, np.uint8(label + 1), name)
        savemat(files[part], {"annotations": annotations})
        if part == "test":
            unlabelled = repack_fields(annotations[[field for field in fields if field != "class"]])
            savemat(root / "devkit" / "cars_test_annos.mat", {"annotations": unlabelled})
    names = np.empty((1, classes), object)
    names[0] = [f"Make Model{number} C/V Van 2012" for number in range(classes)]
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})


def write_fgvc_aircraft(data: Path) -> None:
    """fgvc-aircraft-2013b/data: pictures with a banner, lists of three levels, names with blanks and slashes."""
    rng = generator("fgvc-aircraft")
    folder, classes = data / "fgvc-aircraft-2013b" / "data", CLASSES["FGVCAircraft"]
    numbered = [
        f"7{number:02d}-{number % 9 + 1}00"
        for number in range(classes - len(AIRCRAFT_QUIRKY_NAMES))
    ]
    variants = sorted(numbered + AIRCRAFT_QUIRKY_NAMES)
    levels = {
        "variant": variants,
        "family": [f"Family {label * 70 // classes:02d}/B" for label in range(classes)],
        "manufacturer": [f"de Maker {label * 30 // classes:02d}" for label in range(classes)],
    }
    train, test = COUNTS["FGVCAircraft"]["train"], COUNTS["FGVCAircraft"]["test"]
    identities = iter(rng.choice(10**6, train + test, replace=False).tolist())
    parts: dict[str, list[tuple[str, int]]] = {}
    for part, count in {"train": train // 2, "val": train - train // 2, "test": test}.items():
        labels = mixed_labels(count, classes, rng).tolist()
        parts[part] = sorted((f"{next(identities):07d}", label) for label in labels)
    pictures = [entry for entries in parts.values() for entry in entries]
    parts["trainval"] = sorted(parts["train"] + parts["val"])
    for identity, label in pictures:
        pixels = picture(label, classes, AIRCRAFT_SIZE, 3, rng)
        banner = np.full((AIRCRAFT_BANNER_HEIGHT, pixels.shape[1], 3), 255, np.uint8)
        save(np.concatenate([pixels, banner]), folder / "images" / f"{identity}.jpg")
    write_lines(
        folder / "images_box.txt", [f"{identity} 1 1 40 40" for identity, _ in sorted(pictures)]
    )
    for part, entries in parts.items():
        write_lines(folder / f"images_{part}.txt", [identity for identity, _ in entries])
        for level, names in levels.items():
            lines = [f"{identity} {names[label]}" for identity, label in entries]
            write_lines(folder / f"images_{level}_{part}.txt", lines)
    for name, level in (
        ("variants", "variant"),
        ("families", "family"),
        ("manufacturers", "manufacturer"),
    ):
        write_lines(folder / f"{name}.txt", sorted(set(levels[level])))
