"""The rows of a data set, by split: of a file, of a folder of files, or of a data set of the Hugging Face hub.

train.jsonl   {"question": "2+2?", "answer": "4"} a line
sampled/      train.parquet, train.jsonl: of one name, so the same rows in two forms; one is read
MATH/         train/algebra/1.json, ..., test/algebra/1.json, ...: a row a file
gsm8k/main/   train-00000-of-00001.parquet, test-00000-of-00001.parquet
openai/gsm8k:main   on the hub, with the configuration after the colon
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from groupthink.extras import need

Row = dict[str, Any]

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of each file its path, its inode, its size in bytes, and when it was written, in nanoseconds."""

TRAINING = "train"
SPLITS = (TRAINING, "training", "test", "testing", "validation", "valid", "val", "dev", "eval")
_HUB = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")


def read_splits(place: str) -> dict[str, list[Row]]:
    """Rows by the name of their split; a file whose name tells of none is "train".

    Raises FileNotFoundError where there is nothing at `place`, and ValueError for what cannot be read, naming the line.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return {_split_of(Path(path.name)): _read_file(path)}
    if path.is_dir():
        return _read_folder(path)
    if _HUB.fullmatch(place) and path.suffix not in READERS:
        return _read_hub(place)
    raise FileNotFoundError(
        f"there is no file or folder {path.absolute()}, and {place!r} is no hub id "
        "(owner/name, or owner/name:configuration)"
    )


def stamp_of(place: str) -> Stamp:
    """What differs where the files at `place` have been changed. (A data set of the hub has none.)"""
    path = Path(place).expanduser().absolute()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    found = ((str(one), one.stat()) for one in files)
    return tuple((name, held.st_ino, held.st_size, held.st_mtime_ns) for name, held in found)


def _read_folder(folder: Path) -> dict[str, list[Row]]:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        datasets = need("datasets", f"{folder}, written by save_to_disk,", "data")
        return _by_split(datasets.load_from_disk(str(folder)))
    files = sorted(path for path in folder.rglob("*") if path.suffix in READERS and not _is_hidden(path, folder))
    files = [path for path in files if path.name not in ("dataset_info.json", "dataset_infos.json")]
    files = [path for path in files if path.suffix == ".parquet" or path.with_suffix(".parquet") not in files]
    if not files:
        raise ValueError(f"{folder} holds no data: files end with one of {', '.join(READERS)}")
    inner = [path.relative_to(folder) for path in files]
    parts = sorted({_configuration(path) for path in inner})
    if len(parts) > 1:
        raise ValueError(
            f"{folder} holds several data sets: name one of {', '.join(str(folder / part) for part in parts)}"
        )
    splits: dict[str, list[Row]] = {}
    for path, name in zip(files, inner, strict=True):
        splits.setdefault(_split_of(name), []).extend(_read_file(path))
    return splits


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _configuration(path: Path) -> str:
    """The folders above a split: `main` of main/train-0.parquet; none of train/algebra/1.json, data/train.csv."""
    above = []
    for part in path.parts[:-1]:
        if part == "data" or _word_of(part):
            break
        above.append(part)
    return "/".join(above)


def _split_of(path: Path) -> str:
    """The split that a folder's or the file's name tells."""
    for part in (*path.parts[:-1], path.stem):
        if word := _word_of(part):
            return TRAINING if word == "training" else "test" if word == "testing" else word
    return TRAINING


def _word_of(name: str) -> str | None:
    words = re.split(r"[^a-z]+", name.lower())
    return next((word for word in SPLITS if word in words), None)


def _read_file(path: Path) -> list[Row]:
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path} is of no known kind: files end with one of {', '.join(READERS)}")
    return reader(path)


def _lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1, without a byte order mark."""
    number = 0
    with path.open("rb") as file:
        for number, held in enumerate(file, 1):
            if number == 1 and held.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise ValueError(f"{path} is written in UTF-16: save it as UTF-8")
            try:
                yield number, held.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}, line {number}, is not UTF-8 ({error}): save the file as UTF-8") from None


def _read_jsonl(path: Path) -> list[Row]:
    rows = []
    for number, line in _lines_of(path):
        if line.strip():
            rows.append(_parse(line, f"{path}, line {number},"))
    return rows


def _read_json(path: Path) -> list[Row]:
    text = "".join(line for _, line in _lines_of(path))
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not JSON ({error}): mend it; a file of an object a line ends with .jsonl"
        ) from None
    held = held if isinstance(held, list) else [held]
    if wrong := [number for number, row in enumerate(held, 1) if not isinstance(row, dict)]:
        raise ValueError(f"{path}, row {wrong[0]}, is no JSON object: a row is an object of columns")
    return held


def _parse(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON ({error}): mend or remove it") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where} is no JSON object: a row is an object of columns")
    return row


def _read_csv(path: Path) -> list[Row]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.DictReader((line for _, line in _lines_of(path)), strict=True)
    rows: list[Row] = []
    try:
        names = reader.fieldnames or []
        if len(set(names)) < len(names):
            raise ValueError(f"{path} names a column twice in its first line: {', '.join(names)}")
        for row in reader:
            if None in row:
                raise ValueError(
                    f"{path}, line {reader.line_num}, has more fields than the first line names: "
                    "quote fields with commas"
                )
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}, is not CSV ({error}): mend or remove it") from None
    return rows


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is no whole Parquet file ({error}): fetch it again") from None


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _read_hub(place: str) -> dict[str, list[Row]]:
    datasets = need("datasets", f"the data set {place} of the hub (there is no such file or folder)", "data")
    name, _, configuration = place.partition(":")
    try:
        return _by_split(datasets.load_dataset(name, configuration or None))
    except Exception as error:
        raise ValueError(
            f"the data set {place} could not be had from the hub: {error} "
            "(a configuration is named as owner/name:configuration)"
        ) from error


def _by_split(loaded: Any) -> dict[str, list[Row]]:
    return (
        {str(name): rows.to_list() for name, rows in loaded.items()}
        if isinstance(loaded, dict)
        else {TRAINING: loaded.to_list()}
    )
