"""The sources that files of data sets are downloaded from, and what is known of these files."""

from typing import Annotated

from pydantic import Field

from metaprobe.config.model import Model, Positive
from metaprobe.config.places import Address, FileInside, Inside


class Content(Model):
    """What is known of the bytes of a file."""

    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\Z")] | None = None
    """its digest; a download without one begins at its start each time"""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}\Z")] | None = None
    """the same; both are checked"""
    bytes: Positive | None = None
    """its size; checked"""

    def digests(self) -> dict[str, str]:
        """Return the name of each known digest, and the digest."""
        known = {"md5": self.md5, "sha256": self.sha256}
        return {name: digest for name, digest in known.items() if digest is not None}


class SourceFile(Content):
    """A file to download, and what is known of its bytes."""

    name: FileInside
    """file name, relative to the data folder"""
    urls: Annotated[list[Address], Field(min_length=1)]
    """mirrors of the same bytes, tried in order"""
    extract_to: Inside | None = None
    """folder, relative to the data folder, that the archive is unpacked into; absent for a file
    that is used as it is"""
    keep: bool = False
    """the archive itself is needed for loading"""


class Nested(Model):
    """Archives inside the archives, unpacked next and then deleted."""

    archive: Inside
    """glob pattern relative to the data folder"""
    extract_to: Inside
    """folder, relative to the data folder"""


class Source(Model):
    """Files that are downloaded together; several data sets may share one source."""

    download_mb: Annotated[float, Field(ge=0)]
    """size of the download in MB"""
    extracted_mb: Annotated[float, Field(ge=0)]
    """size on disk after extraction in MB, archives not counted"""
    status: str | None = None
    """what is known of the host"""
    packages: list[str] = Field(default=[])
    """Python packages needed to read the files, beyond torchvision's own"""
    files: list[SourceFile] = Field(default=[])
    """what is downloaded; absent where there is no download"""
    nested: list[Nested] = Field(default=[])
    """archives inside the archives, unpacked next and then deleted"""
    provides: dict[Inside, Positive] = Field(default={})
    """glob pattern relative to the data folder → number of files that must match it once the source
    is complete"""
    contents: dict[Inside, Content] = Field(default={})
    """glob pattern relative to the data folder → `bytes`, `md5` or `sha256` of the file as it is read,
    after unpacking; checked where such a file is there"""
    manual: str | None = None
    """what to fetch by hand, from where, and where to put it"""
