"""Files: whole or not at all, the same when read back, and told apart by their digests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from metaprobe.core.arrays import digest_arrays, read_arrays, write_arrays
from metaprobe.core.errors import UserError
from metaprobe.core.files import (
    digest_file,
    digest_json,
    read_checked_json,
    read_json,
    replacing,
    replacing_folder,
    write_checked_json,
    write_json,
    write_text,
)
from metaprobe.core.parquet import check_parquet, read_parquet, write_parquet

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)
ARRAY = arrays_of.arrays(
    st.sampled_from(["float32", "float64", "int64", "uint8"]),
    arrays_of.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    elements=st.integers(0, 100),
)
ARRAYS = st.dictionaries(st.text("abc_", min_size=1), ARRAY, min_size=1, max_size=4)


# Writing


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failed_writing_leaves_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    """Half a file under the name of a whole one; or temporary files that pile up."""
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(failure), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failed_writing_leaves_the_old_folder(tmp_path: Path, failure: type[BaseException]) -> None:
    """A folder in which some files are new and some are old; temporary ones that pile up."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "card.json").write_text("old")
    (tmp_path / ".model.1.tmp").mkdir()  # of a process that was killed
    with pytest.raises(failure), replacing_folder(folder, "card.json") as temporary:
        (temporary / "card.json").write_text("new")
        raise failure
    assert (folder / "card.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("there", [False, True], ids=["new", "with files of the user's"])
def test_folder_is_replaced_and_what_else_lies_there_stays(tmp_path: Path, there: bool) -> None:
    """A list of predictions that the user kept beside the model, gone with the old model."""
    folder = tmp_path / "model"
    expected = {"card.json": "new", "model": "new"}
    if there:
        folder.mkdir()
        (folder / "mine.csv").write_text("mine")
        (folder / "card.json").write_text("old")
        expected["mine.csv"] = "mine"
    with replacing_folder(folder, "card.json") as temporary:
        for name in ("card.json", "model"):
            (temporary / name).write_text("new")
    assert {one.name: one.read_text() for one in folder.iterdir()} == expected
    assert list(tmp_path.iterdir()) == [folder]


def test_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """Writing in place, where a kill leaves half a file."""
    path = tmp_path / "new folder" / "result.json"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_never_written(tmp_path: Path, number: float) -> None:
    """NaN in a file, which other JSON readers refuse and tables print as nan."""
    path = tmp_path / "result.json"
    write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError):
        write_json(path, {"loss": number})
    with pytest.raises(ValueError):
        write_arrays(tmp_path / "a.safetensors", {"a": np.zeros(1)}, {"loss": number})
    assert read_json(path) == {"loss": 1.0}
    assert list(tmp_path.iterdir()) == [path]


@given(st.text())
def test_text_is_written_to_the_letter(tmp_path_factory, text: str) -> None:
    """Line ends translated, or another encoding than UTF-8."""
    path = tmp_path_factory.getbasetemp() / "text.csv"
    write_text(path, text)
    assert path.read_bytes() == text.encode()


# JSON


@given(JSON)
def test_json_reads_back(tmp_path_factory, content: Any) -> None:
    """A class name with quotes, brackets or line ends that the integer lists' layout damages."""
    path = tmp_path_factory.getbasetemp() / "content.json"
    write_json(path, content)
    assert read_json(path) == content


@pytest.mark.parametrize("name", ["[\n  1,\n  2\n]", 'say "ñ"', "\\", "\u2028", "\x00", "猫"])
def test_odd_class_names_read_back(tmp_path: Path, name: str) -> None:
    """The names of a stranger's folders."""
    write_json(tmp_path / "a.json", {"class_names": [name], "indices": [1, 2], name: {name: -1}})
    content = read_json(tmp_path / "a.json")
    assert content == {"class_names": [name], "indices": [1, 2], name: {name: -1}}


def test_a_list_of_integers_takes_one_line(tmp_path: Path) -> None:
    """A subset of 6,000 indices that takes 6,000 lines."""
    path = tmp_path / "a.json"
    write_json(path, {"indices": list(range(-1, 500)), "mixed": [1, 2.5], "seed": 0})
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[1] == f'  "indices": [ {", ".join(map(str, range(-1, 500)))} ],'
    assert lines[-2:] == ['  "seed": 0', "}"]
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1}}', "{'a': 1}", '{"a": NaN}', '{"a": -Infinity}', "\udcff"]
)
def test_what_is_not_json_is_named(tmp_path: Path, text: str) -> None:
    """A traceback that does not name the file; or NaN taken for a number."""
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"broken\.json is broken .*delete it"):
        read_json(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A traceback that does not name the file."""
    for read, name in ((read_json, "a.json"), (read_arrays, "a.safetensors")):
        with pytest.raises(UserError, match=rf"{name} does not exist"):
            read(tmp_path / name)


# Arrays


@settings(deadline=None)
@given(ARRAYS, st.dictionaries(st.text(), JSON, max_size=3))
def test_arrays_read_back(tmp_path_factory, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
    """A type or shape that is not kept, or facts that are not."""
    path = tmp_path_factory.getbasetemp() / "a.safetensors"
    write_arrays(path, arrays, facts)
    read, read_facts = read_arrays(path)
    assert read_facts == facts
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_views_are_written_in_their_own_order(tmp_path: Path) -> None:
    """The bytes of a transposed or strided array taken as they lie in memory."""
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    views = {"transposed": array.T, "strided": array[::2, ::3], "same": array[:, :1]}
    write_arrays(tmp_path / "a.safetensors", views, {})
    read, _ = read_arrays(tmp_path / "a.safetensors")
    for name, view in views.items():
        np.testing.assert_array_equal(read[name], view)
    assert digest_arrays(views) == digest_arrays({n: v.copy("C") for n, v in views.items()})


# Digests


@given(ARRAYS)
def test_digest_does_not_depend_on_order(arrays: dict[str, Any]) -> None:
    """A digest that changes with the order in which arrays were put together."""
    reordered = {name: arrays[name] for name in reversed(arrays)}
    assert digest_arrays(arrays) == digest_arrays(reordered)


def test_digest_depends_on_everything_else() -> None:
    """Two different files with one digest: the same bytes under another type, shape or name."""
    array = np.arange(1, 7, dtype=np.int32)
    changed = array.copy()
    changed[3] += 1
    different = [
        {"a": array},
        {"a": array.view(np.float32)},
        {"a": array.view(np.uint32)},
        {"a": array.reshape(2, 3)},
        {"a": array.reshape(3, 2)},
        {"b": array},
        {"a": changed},
        {"a": array[::-1]},
        {"a": array[:3], "b": array[3:]},
        {"a": array[3:], "b": array[:3]},
        {"a": np.zeros(0)},
        {"a": np.zeros((0, 3))},
        {},
    ]
    assert len({digest_arrays(arrays) for arrays in different}) == len(different)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), JSON), st.dictionaries(st.text(), JSON))
def test_json_digest_tells_contents_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A digest that depends on the order of keys, or on the file's layout."""
    assert digest_json(one) == digest_json({key: one[key] for key in reversed(one)})
    assert digest_json(one) == digest_json(json.loads(json.dumps(one, indent=3)))
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_json(one) == digest_json(other)) == same


def test_file_digest_is_sha256(tmp_path: Path) -> None:
    """Another hash than the one that publishers of weights print."""
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(tmp_path / "a") == expected


# Parquet


def sealed_table(path: Path) -> bytes:
    frame = pd.DataFrame({"name": ["a", "b"] * 50, "value": np.arange(100) / 7})
    write_parquet(path, frame, {"descriptions/A.json": "12ab"})
    pd.testing.assert_frame_equal(read_parquet(path), frame)
    assert check_parquet(path) == {"descriptions/A.json": "12ab"}
    return path.read_bytes()


def test_every_bit_of_a_parquet_file_counts(tmp_path: Path) -> None:
    """A flipped bit that goes into a table, or ends in a traceback of the library."""
    path = tmp_path / "table.parquet"
    content = sealed_table(path)
    draws = np.random.default_rng(0)
    for place, bit in zip(
        draws.integers(0, len(content), 300), draws.integers(0, 8, 300), strict=True
    ):
        changed = bytearray(content)
        changed[place] ^= 1 << int(bit)
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"table\.parquet is broken"):
            read_parquet(path)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"x" * 500])
def test_what_is_no_parquet_file_is_named(tmp_path: Path, damage: bytes) -> None:
    """A traceback for an empty file, one cut off, or one of another program."""
    path = tmp_path / "table.parquet"
    content = sealed_table(path)
    for wrong in (damage, content[: len(content) // 2], content[:-1], content + b"0"):
        path.write_bytes(wrong)
        with pytest.raises(UserError, match=r"table\.parquet is broken"):
            read_parquet(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(UserError, match="carries no digest"):
        read_parquet(path)


def test_every_change_of_a_checked_json_counts(tmp_path: Path) -> None:
    """A description edited by hand that goes into the table with `no error`."""
    path = tmp_path / "a.json"
    write_checked_json(path, {"rows": [{"place": 14.7622}]})
    assert read_checked_json(path)["rows"] == [{"place": 14.7622}]
    text = path.read_text()
    for wrong in (text.replace("14.", "914."), text.replace("place", "spot"), "[]", "", "{}"):
        path.write_text(wrong)
        with pytest.raises(UserError, match=r"a\.json is broken"):
            read_checked_json(path)
