"""Metadata of a release for machines: `croissant.json` (MLCommons Croissant 1.0)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metaprobe.core.files import digest_file
from metaprobe.publish.about import About
from metaprobe.publish.dictionary import meaning
from metaprobe.publish.target import names_in

FORMATS = {
    ".parquet": "application/x-parquet",
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".cff": "application/yaml",
    ".safetensors": "application/octet-stream",
}
# The context of the specification, https://docs.mlcommons.org/croissant/docs/croissant-spec.html
CROISSANT = "http://mlcommons.org/croissant/"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": CROISSANT,
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": f"{CROISSANT}RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(about: About, folder: Path) -> dict[str, Any]:
    """Return the content of croissant.json: each file that is in the folder with its digest, each column.

    The files that are written later are not in it: itself, the checksums and the zip.
    """
    tables = sorted(folder.glob("*.parquet"))
    cited = f" https://doi.org/{about.doi}" if about.doi else ""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{CROISSANT}1.0",
        "name": about.slug,
        "description": about.title,
        "version": about.version,
        "datePublished": str(about.released),
        "license": f"https://spdx.org/licenses/{about.licence}",
        "url": f"https://doi.org/{about.doi}" if about.doi else "index.html",
        "creator": [{"@type": "sc:Organization", "name": name} for name in about.authors],
        "citeAs": f"{', '.join(about.authors)}: {about.title}, {about.version}.{cited}",
        "distribution": [file_object(folder, name) for name in names_in(folder)],
        "recordSet": [record_set(path) for path in tables],
    }


def file_object(folder: Path, name: str) -> dict[str, str]:
    """Return what is said of one file, which lies beside croissant.json."""
    path = folder / name
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": digest_file(path),
    }


def record_set(path: Path) -> dict[str, Any]:
    """Return what is said of the columns of a table."""
    return {
        "@type": "cr:RecordSet",
        "@id": path.stem,
        "name": path.stem,
        "field": list(_fields(path)),
    }


def _fields(path: Path) -> Iterator[dict[str, Any]]:
    for column in pq.read_schema(path):
        told = meaning(path.stem, column.name)
        yield {
            "@type": "cr:Field",
            "@id": f"{path.stem}/{column.name}",
            "name": column.name,
            **({"description": told} if told else {}),
            "dataType": data_type(column.type),
            **({"repeated": True} if pa.types.is_list(column.type) else {}),
            "source": {"fileObject": {"@id": path.name}, "extract": {"column": column.name}},
        }


def data_type(kind: pa.DataType) -> str:
    """Return the type of a column, or of the items of a list."""
    if pa.types.is_list(kind):
        return data_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
