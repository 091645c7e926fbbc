"""Files by their paths."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, List, Mapping, Optional, Sequence

from awsglue import _files
from awsglue._content import Content
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


def bounded(files: Sequence[_files.File], options: Mapping[str, Any]) -> List[_files.File]:
    """The oldest of files, up to ``boundedFiles`` of them or to ``boundedSize`` bytes together.

    Of more the bookmark reads the rest in later runs ("Workload partitioning with bounded execution"); the
    first is read however large it is.

    Parameters
    ----------
    files : sequence of File
        Those that are new.
    options : mapping
    """
    if not options.get("boundedFiles") and not options.get("boundedSize"):
        return list(files)
    oldest = sorted(files, key=lambda one: (one.modified, one.path))
    if options.get("boundedFiles"):
        oldest = oldest[: int(options["boundedFiles"])]
    if options.get("boundedSize"):
        sizes = list(accumulate(one.size for one in oldest))
        limit = int(options["boundedSize"])
        oldest = [one for at, one in enumerate(oldest) if sizes[at] <= limit or not at]
    return sorted(oldest)


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
    chosen = bookmark.new_files(files, options, bounded)
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
