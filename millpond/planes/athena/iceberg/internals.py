"""The private names of pyiceberg that this plane uses: it offers no public way to write deletes.

``tests/unit/test_athena_iceberg_internals.py`` fails when one of them is gone or changed, and when a module
of the plane uses one that is not listed.
"""

from __future__ import annotations

from millpond.base.foreign import Target

_RELEASE = "pyiceberg 0.12.0"
_PRODUCER = "pyiceberg.table.update.snapshot:_SnapshotProducer"


def _of_producer(name: str, signature: str, reason: str) -> Target:
    return Target(f"{_PRODUCER}.{name}", signature, _RELEASE, reason)


INVENTORY: tuple[Target, ...] = (
    Target(
        _PRODUCER,
        "(operation, transaction, io, commit_uuid=None, snapshot_properties={}, branch='main')",
        _RELEASE,
        "Commits any change of files as one snapshot, and tries again when somebody else was faster.",
    ),
    _of_producer("_deleted_entries", "(self)", "Abstract; what goes is written by _manifests."),
    _of_producer("_existing_manifests", "(self)", "Writes the manifests of the parent anew where files go."),
    _of_producer("_manifests", "(self)", "Writes manifests of delete files too."),
    _of_producer("_summary", "(self, snapshot_properties={})", "Counts deletes, and has totals for replace."),
    _of_producer("_validate_concurrency", "(self)", "Refuses a change that was worked out too early."),
    _of_producer("_compression", "AvroCompressionCodec", "How manifests are compressed."),
    _of_producer("_io", "FileIO", "Reads the manifests of the parent."),
    _of_producer("_operation", "Operation", "The operation of the snapshot."),
    _of_producer("_snapshot_id", "int", "The snapshot's number, which its entries have."),
    _of_producer("_target_branch", "str | None", "The branch whose snapshot is the parent."),
    Target(
        "pyiceberg.table.update:UpdateTableMetadata._transaction",
        "Transaction",
        _RELEASE,
        "Has the table's metadata as they are when the commit is tried.",
    ),
    Target(
        "pyiceberg.manifest:ManifestWriterV2._meta",
        "property",
        _RELEASE,
        "Says in the header of a manifest that it holds deletes.",
    ),
    Target(
        "pyiceberg.partitioning:_to_partition_representation",
        "(type, value)",
        _RELEASE,
        "The value that a partition's transform takes, of a value as Python has it.",
    ),
    Target(
        "pyiceberg.catalog:Catalog._load_file_io",
        "(self, properties={}, location=None)",
        _RELEASE,
        "Gives tables the worker's own S3 client.",
    ),
    Target(
        "pyiceberg.catalog:MetastoreCatalog._write_metadata",
        "(metadata, io, metadata_path)",
        _RELEASE,
        "Says -1 where no snapshot is current, which every version of Iceberg reads.",
    ),
)
