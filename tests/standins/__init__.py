"""Small stand-ins for the thirty data sets, each in its true format on disk and with a learnable signal."""

from collections.abc import Callable
from pathlib import Path

from .array_files import write_pcam, write_stl10, write_svhn, write_usps
from .cifar_pickles import write_cifar10, write_cifar100
from .class_folders import (
    write_caltech101,
    write_country211,
    write_eurosat,
    write_lfw,
    write_omniglot,
    write_rendered_sst2,
)
from .counts import CLASSES, COUNTS
from .digests import relax_digests
from .fer2013 import write_fer2013, write_fer2013_without_test_labels
from .idx_files import write_emnist, write_fashion_mnist, write_kmnist, write_mnist, write_qmnist
from .listed_pictures import (
    write_dtd,
    write_fgvc_aircraft,
    write_flowers102,
    write_gtsrb,
    write_oxford_iiit_pet,
    write_stanford_cars,
)
from .pictures import picture

__all__ = [
    "CLASSES",
    "COUNTS",
    "WRITERS",
    "picture",
    "relax_digests",
    "write_fer2013_without_test_labels",
]

# Source id -> function that writes the extracted files of this source below a data folder.
WRITERS: dict[str, Callable[[Path], None]] = {
    "mnist": write_mnist,
    "fashion-mnist": write_fashion_mnist,
    "kmnist": write_kmnist,
    "emnist": write_emnist,
    "usps": write_usps,
    "qmnist": write_qmnist,
    "omniglot": write_omniglot,
    "rendered-sst2": write_rendered_sst2,
    "fer2013": write_fer2013,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
    "stl10": write_stl10,
    "flowers102": write_flowers102,
    "oxford-iiit-pet": write_oxford_iiit_pet,
    "dtd": write_dtd,
    "gtsrb": write_gtsrb,
    "eurosat": write_eurosat,
    "pcam": write_pcam,
    "stanford-cars": write_stanford_cars,
    "fgvc-aircraft": write_fgvc_aircraft,
    "country211": write_country211,
    "caltech101": write_caltech101,
    "lfw": write_lfw,
}
