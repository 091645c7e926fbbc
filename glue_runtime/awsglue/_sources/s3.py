"""Files by their paths."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from awsglue import _files
from awsglue._content import Content
from awsglue._refuse import refuse
from awsglue._sources import formats
from awsglue._sources.scan import Scan, flag, spark_options
from awsglue._sources.text_formats import check_compression

# Options of a source that say which files, not how they are read.
_OF_FILES = (
    "paths",
    "path",
    "exclusions",
    "excludeStorageClasses",
    "recurse",
    "groupFiles",
    "groupSize",
    "maxBand",
    "maxFilesInBand",
    "isFailFast",
    "compressionType",
    "useS3ListImplementation",
    "boundedFiles",
    "boundedSize",
    "enableUpdateCatalog",
    "catalogPartitionPredicate",
    "useCatalogSchema",
)
_SPARKS = ("parquet", "glueparquet", "orc")


def paths_of(options: Mapping[str, Any]) -> List[str]:
    """The paths of a source: ``paths``, a list or one, or ``path``."""
    given = options.get("paths") or options.get("path") or []
    found = [given] if isinstance(given, str) else list(given)
    if not found:
        raise ValueError("connection_options of an s3 source name no paths")
    return [str(one) for one in found]


def bounds(options: Mapping[str, Any]) -> None:
    """Refuse workload partitioning, which reads some of the files only."""
    for name in ("boundedFiles", "boundedSize"):
        if options.get(name):
            refuse("connection_options", f"{name} (workload partitioning)")


def read(
    session: Any,
    options: Mapping[str, Any],
    form: Optional[str],
    format_options: Mapping[str, Any],
    bookmark: Any,
) -> Content:
    """The records of files below paths.

    Parameters
    ----------
    session : SparkSession
    options : mapping
        ``connection_options``.
    form : str
    format_options : mapping
    bookmark : SourceBookmark
        Says which files are new.
    """
    if not form:
        raise ValueError("an s3 source takes a format")
    bounds(options)
    paths = paths_of(options)
    lower = form.lower()
    given = {**spark_options(options, _OF_FILES), **format_options} if lower in _SPARKS else format_options
    recurse = flag(options, "recurse")
    files = _files.files_of(
        session,
        paths,
        # Spark's own readers go into directories that are named as partitions are.
        recurse=recurse or lower in _SPARKS,
        exclusions=_files.exclusions_of(options),
        excluded_classes=options.get("excludeStorageClasses") or (),
    )
    if lower in _SPARKS and not recurse:
        files = [one for one in files if _is_partitioned_or_direct(one.path, paths)]
    chosen = bookmark.new_files(files, options)
    names = [one.path for one in chosen]
    check_compression(names, options)
    base = _base(paths) if lower in _SPARKS and any(_directories(one, paths) for one in names) else ""
    if base:
        return formats.read(Scan(session, names, base), form, given)
    return formats.read(Scan(session, names), form, given)


def _directories(path: str, paths: List[str]) -> List[str]:
    for one in paths:
        if path.startswith(one.rstrip("/") + "/"):
            return path[len(one.rstrip("/")) + 1 :].split("/")[:-1]
    return []


def _is_partitioned_or_direct(path: str, paths: List[str]) -> bool:
    return all("=" in part for part in _directories(path, paths))


def _base(paths: List[str]) -> str:
    """What the partition directories are below: the one path that there is."""
    return paths[0].rstrip("/") + "/" if len(paths) == 1 else ""
