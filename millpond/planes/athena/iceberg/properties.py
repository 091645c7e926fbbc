"""Table properties that Athena knows (user guide, "Create Iceberg tables", "Supported table properties")."""

from __future__ import annotations

from collections.abc import Mapping

from millpond.planes.athena.exceptions import NotSupported, QueryFailed

_MEGABYTE = 1024 * 1024
_CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "none": "none", "uncompressed": "none"}
KNOWN = {
    "table_type",
    "format",
    "write_compression",
    "optimize_rewrite_min_data_file_size_bytes",
    "optimize_rewrite_max_data_file_size_bytes",
    "optimize_rewrite_data_file_threshold",
    "optimize_rewrite_delete_file_threshold",
    "vacuum_min_snapshots_to_keep",
    "vacuum_max_snapshot_age_seconds",
    "vacuum_max_metadata_files_to_keep",
    "write_target_data_file_size_bytes",
}


class Properties:
    """What the properties of a table say, with Athena's defaults.

    Parameters
    ----------
    given : mapping of str to str
        The table's own.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self._given.get(name, default))
        except ValueError as error:
            message = f"Invalid value for table property {name}: {self._given[name]}"
            raise QueryFailed("INVALID_TABLE_PROPERTY", message) from error

    @property
    def target_file_size(self) -> int:
        return self._number("write_target_data_file_size_bytes", 512 * _MEGABYTE)

    @property
    def smallest_file(self) -> int:
        default = int(0.75 * self.target_file_size)
        return self._number("optimize_rewrite_min_data_file_size_bytes", default)

    @property
    def largest_file(self) -> int:
        default = int(1.8 * self.target_file_size)
        return self._number("optimize_rewrite_max_data_file_size_bytes", default)

    @property
    def data_file_threshold(self) -> int:
        return self._number("optimize_rewrite_data_file_threshold", 5)

    @property
    def delete_file_threshold(self) -> int:
        return self._number("optimize_rewrite_delete_file_threshold", 2)

    @property
    def snapshot_seconds(self) -> int:
        return self._number("vacuum_max_snapshot_age_seconds", 5 * 24 * 60 * 60)

    @property
    def snapshots_to_keep(self) -> int:
        return max(1, self._number("vacuum_min_snapshots_to_keep", 1))

    @property
    def compression(self) -> str:
        given = self._given.get("write_compression", "zstd").lower()
        if given not in _CODECS:
            raise NotSupported(f"The compression {given}")
        return _CODECS[given]


def check(given: Mapping[str, str]) -> None:
    """Look at the properties of a statement.

    Raises
    ------
    QueryFailed
        If Athena knows no such property, or Millpond no such value.
    """
    if unknown := sorted(set(given) - KNOWN):
        raise QueryFailed("", f"Unsupported table property key: {unknown[0]}")
    if given.get("format", "parquet").lower() != "parquet":
        raise NotSupported(f"The format {given['format']}")
    found = Properties(given)
    _ = found.compression, found.smallest_file, found.largest_file, found.data_file_threshold
    _ = found.delete_file_threshold, found.snapshot_seconds, found.snapshots_to_keep
