"""A file that somebody dropped, read as if it were the source."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from pyarrow import json as arrow_json

from ingest.engines import Landing, Row
from ingest.errors import IngestError
from ingest.manifest import LandedFiles
from ingest.shell_arrow import arrow_type
from ingest.shell_files import S3File
from ingest.shell_landing import land
from ingest.source_sql import KEY_RULE, QUARANTINE
from ingest.structures import Column

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_JSON_BYTES = 64 * 1024**2
"""A ``.json`` file is one document and read as a whole; larger ones come as JSON lines."""

_BLOCK_BYTES = 4 * 1024**2


class DroppedFile:
    """A CSV file with a header, a Parquet file, a JSON array of objects, or JSON lines.

    Parameters
    ----------
    s3 : boto3 client
    location : str
        S3 URI; its ending says the format.
    masking_key : bytes, optional
        Needed where a column is masked.

    Raises
    ------
    IngestError
        If the format is another one.
    """

    def __init__(self, s3: S3Client, location: str, masking_key: bytes | None) -> None:
        self._s3 = s3
        self._location = location
        self._masking_key = masking_key
        readers: Mapping[str, Callable[[], Iterator[pa.Table]]] = {
            "csv": self._csv,
            "parquet": self._parquet,
            "json": self._json,
            "jsonl": self._json_lines,
        }
        ending = location.rsplit(".", 1)[-1].lower()
        if ending not in readers:
            raise IngestError(f"{location}: only files named .{', .'.join(readers)} can be ingested.")
        self._read = readers[ending]

    def fetch(self, query: str) -> List[Row]:
        raise IngestError(f"{self._location} is a file and answers no query: {query}")

    def land(self, landing: Landing) -> LandedFiles:
        return land(self._s3, landing, (self._checked(landing, table) for table in self._read()))

    def _checked(self, landing: Landing, table: pa.Table) -> pa.Table:
        """The landed columns with their types, and why a row is bad."""
        columns = landing.structure.columns
        positions = _positions(self._location, table.column_names, columns)
        keys = set(landing.settings.key_columns)
        reasons: List[List[str]] = [[] for _ in range(table.num_rows)]
        result, texts = [], []
        for column in columns:
            given = _flat(table.column(positions[column.name]))
            if column.masking:
                given = self._masked(given, column.masking)
            value, bad = _typed(given, landing.table.field(column.name).type)
            for row in bad:
                reasons[row].append(f"type of {column.name}")
            if column.source_name in keys:
                for row in pc.indices_nonzero(pc.is_null(given)).to_pylist():
                    reasons[row].append(KEY_RULE)
            result.append(value)
            texts.append(given)
        names = [column.name for column in columns]
        marks = [
            _mark(why, names, [text[row].as_py() for text in texts]) if why else None
            for row, why in enumerate(reasons)
        ]
        return pa.table([*result, pa.array(marks, pa.string())], names=[*names, QUARANTINE])

    def _masked(self, given: pa.Array, masking: str) -> pa.Array:
        key = self._masking_key or b""

        def mask(text: str) -> str:
            if masking == "hash":
                return hashlib.sha256(key + text.encode()).hexdigest()
            return "tok_" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]

        values = [None if value is None else mask(_text(value)) for value in given.to_pylist()]
        return pa.array(values, pa.string())

    def _csv(self) -> Iterator[pa.Table]:
        with csv.open_csv(
            self._lines(), csv.ReadOptions(block_size=_BLOCK_BYTES), csv.ParseOptions(newlines_in_values=True)
        ) as header:
            names = header.schema.names
        conversion = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        reader = csv.open_csv(
            self._lines(),
            csv.ReadOptions(block_size=_BLOCK_BYTES),
            csv.ParseOptions(newlines_in_values=True),
            conversion,
        )
        with reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def _parquet(self) -> Iterator[pa.Table]:
        with parquet.ParquetFile(self._open()) as file:
            for batch in file.iter_batches():
                yield pa.Table.from_batches([batch])

    def _json_lines(self) -> Iterator[pa.Table]:
        with arrow_json.open_json(self._open(), arrow_json.ReadOptions(block_size=_BLOCK_BYTES)) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def _json(self) -> Iterator[pa.Table]:
        file = S3File(self._s3, self._location)
        if len(file) > MAX_JSON_BYTES:
            raise IngestError(f"{self._location} has more than {MAX_JSON_BYTES} bytes; use JSON lines.")
        rows = json.loads(file.open(seekable=False).read())
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise IngestError(f"{self._location} is not a JSON array of objects.")
        yield pa.Table.from_pylist(rows)

    def _lines(self) -> pa.PythonFile:
        """The file with a line end at its end: without it Arrow takes an empty last field for a text."""
        return pa.PythonFile(_Terminated(S3File(self._s3, self._location).open()), mode="r")

    def _open(self) -> pa.PythonFile:
        return pa.PythonFile(S3File(self._s3, self._location).open(), mode="r")


class _Terminated(io.RawIOBase):
    """A stream and a line feed."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self._is_ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._stream.read(size)
        if content or self._is_ended:
            return content
        self._is_ended = True
        return b"\n"


def _positions(location: str, given: List[str], columns: tuple[Column, ...]) -> Mapping[str, int]:
    """Where each column is in the file, by its name in the catalog or in the source."""
    known = {column.source_name: column.name for column in columns}
    known.update({column.name: column.name for column in columns})
    positions = {known[name]: number for number, name in enumerate(given) if name in known}
    unknown = sorted(name for name in given if name not in known)
    missing = sorted(column.name for column in columns if column.name not in positions)
    if unknown or missing or len(positions) < len(given):
        raise IngestError(
            f"{location} does not have the columns of the table: missing {missing}, unknown {unknown}."
        )
    return positions


def _typed(given: pa.Array, kind: str) -> tuple[pa.Array, List[int]]:
    """A column with its type, and the rows whose value does not fit, which are NULL."""
    try:
        return _cast(given, kind), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError):
        pass
    values, bad = [], []
    for row in range(len(given)):
        one = given.slice(row, 1)
        try:
            values.append(_cast(one, kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError):
            values.append(pa.nulls(1, arrow_type(kind)))
            bad.append(row)
    return pa.concat_arrays(values), bad


def _cast(given: pa.Array, kind: str) -> pa.Array:
    wanted = arrow_type(kind)
    if pa.types.is_string(given.type) and kind.startswith("list<"):
        return pa.array([None if one is None else json.loads(one) for one in given.to_pylist()], wanted)
    if pa.types.is_string(given.type) and kind == "binary":
        texts = given.to_pylist()
        return pa.array(
            [None if one is None else bytes.fromhex(one.removeprefix("\\x")) for one in texts], wanted
        )
    return given.cast(wanted)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _mark(reasons: List[str], names: List[str], values: List[Any]) -> str:
    row = {name: None if value is None else _text(value) for name, value in zip(names, values)}
    return json.dumps({"rules": sorted(set(reasons)), "row": row}, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
