"""Settings of all tests: hypothesis judges results, not the speed of a busy machine; and a copy."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

settings.register_profile("metaprobe", deadline=None)
settings.load_profile("metaprobe")


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a job's code says to its own process (as "the Hub is offline") ends with the test."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def checkout(finished, tmp_path) -> Path:
    """A copy of a module's `finished` checkout that a test may spoil; elsewhere, as after a move."""
    return shutil.copytree(finished, tmp_path / "moved", symlinks=True)
