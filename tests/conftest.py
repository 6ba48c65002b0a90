"""Settings of all tests: hypothesis judges results, not the speed of a busy machine; and a copy."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("metaprobe", deadline=None)
settings.load_profile("metaprobe")


@pytest.fixture
def checkout(finished, tmp_path) -> Path:
    """A copy of a module's `finished` checkout that a test may spoil; elsewhere, as after a move."""
    return shutil.copytree(finished, tmp_path / "moved", symlinks=True)
