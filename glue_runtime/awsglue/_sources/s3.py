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
    value = options.get("paths") or options.get("path") or []
    texts = [value] if isinstance(value, str) else list(value)
    if not texts:
        raise ValueError("connection_options of an s3 source name no paths")
    return [str(path) for path in texts]


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
    oldest = sorted(files, key=lambda file: (file.modified, file.path))
    if options.get("boundedFiles"):
        oldest = oldest[: int(options["boundedFiles"])]
    if options.get("boundedSize"):
        sizes = list(accumulate(file.size for file in oldest))
        limit = int(options["boundedSize"])
        oldest = [file for at, file in enumerate(oldest) if sizes[at] <= limit or not at]
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
    reader_options = (
        {**spark_options(options, _OF_FILES), **format_options} if lower in _SPARKS else format_options
    )
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
        files = [file for file in files if _is_partitioned_or_direct(file.path, paths)]
    chosen = bookmark.new_files(files, options, bounded)
    names = [file.path for file in chosen]
    check_compression(names, options)
    base = _base(paths) if lower in _SPARKS and any(_directories(name, paths) for name in names) else ""
    if base:
        return formats.read(Scan(session, names, base), form, reader_options)
    return formats.read(Scan(session, names), form, reader_options)


def _directories(path: str, paths: List[str]) -> List[str]:
    for directory in paths:
        if path.startswith(directory.rstrip("/") + "/"):
            return path[len(directory.rstrip("/")) + 1 :].split("/")[:-1]
    return []


def _is_partitioned_or_direct(path: str, paths: List[str]) -> bool:
    return all("=" in part for part in _directories(path, paths))


def _base(paths: List[str]) -> str:
    """What the partition directories are below: the one path that there is."""
    return paths[0].rstrip("/") + "/" if len(paths) == 1 else ""
