"""Keeps an Iceberg table in order: compaction, expiry of snapshots, deletion of files of no snapshot."""

from __future__ import annotations

import datetime
from typing import Any, Dict, Mapping

from pyspark.sql import SparkSession
from service_task import ServiceTask


def compact(session: SparkSession, name: str, asked: Mapping[str, Any]) -> Dict[str, int]:
    """Rewrite small data files as large ones."""
    options = {
        "min-input-files": str(asked["minInputFiles"]),
        "delete-file-threshold": str(asked["deleteFileThreshold"]),
    }
    listed = ", ".join(f"'{key}', '{value}'" for key, value in options.items())
    row = session.sql(
        f"CALL glue_catalog.system.rewrite_data_files(table => '{name}', "
        f"{_strategy(session, name, asked['strategy'])}, options => map({listed}))"
    ).collect()[0]
    return {
        "NumberOfBytesCompacted": int(row["rewritten_bytes_count"]),
        "NumberOfFilesCompacted": int(row["rewritten_data_files_count"]),
    }


def _strategy(session: SparkSession, name: str, strategy: str) -> str:
    """What the procedure is told: z-order is a way to sort, by the columns of the table's sort order."""
    if strategy != "z-order":
        return f"strategy => '{strategy}'"
    table = _iceberg(session, name)
    columns = [table.schema().findColumnName(field.sourceId()) for field in table.sortOrder().fields()]
    if not columns:
        raise ValueError(f"Compaction by z-order needs a sort order, and {name} has none")
    return f"strategy => 'sort', sort_order => 'zorder({', '.join(columns)})'"


def _iceberg(session: SparkSession, name: str) -> Any:
    """The table as Iceberg's Java API has it."""
    spark3 = session._jvm.org.apache.iceberg.spark.Spark3Util  # type: ignore[union-attr]
    return spark3.loadIcebergTable(session._jsparkSession, f"glue_catalog.{name}")


def expire(session: SparkSession, name: str, asked: Mapping[str, Any]) -> Dict[str, int]:
    """Expire snapshots, and delete the files that only they have unless those are to stay."""
    before = _ago(asked["snapshotRetentionPeriodInDays"])
    if not asked["cleanExpiredFiles"]:
        expiry = _iceberg(session, name).expireSnapshots().expireOlderThan(int(before.timestamp() * 1000))
        expiry.retainLast(asked["numberOfSnapshotsToRetain"]).cleanExpiredFiles(False).commit()
        return {
            "NumberOfDataFilesDeleted": 0,
            "NumberOfManifestFilesDeleted": 0,
            "NumberOfManifestListsDeleted": 0,
        }
    row = session.sql(
        f"CALL glue_catalog.system.expire_snapshots(table => '{name}', older_than => {_literal(before)}, "
        f"retain_last => {int(asked['numberOfSnapshotsToRetain'])})"
    ).collect()[0]
    return {
        "NumberOfDataFilesDeleted": int(row["deleted_data_files_count"]),
        "NumberOfManifestFilesDeleted": int(row["deleted_manifest_files_count"]),
        "NumberOfManifestListsDeleted": int(row["deleted_manifest_lists_count"]),
    }


def remove_orphans(session: SparkSession, name: str, asked: Mapping[str, Any]) -> Dict[str, int]:
    """Delete files below the table's place, or below another, that no snapshot refers to."""
    place = f", location => '{asked['location']}'" if asked.get("location") else ""
    rows = session.sql(
        f"CALL glue_catalog.system.remove_orphan_files(table => '{name}', "
        f"older_than => {_literal(_ago(asked['orphanFileRetentionPeriodInDays']))}{place})"
    ).collect()
    return {"NumberOfOrphanFilesDeleted": len(rows)}


def _ago(days: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)


def _literal(moment: datetime.datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"


_WORK = {"compaction": compact, "retention": expire, "orphan_file_deletion": remove_orphans}


def main() -> None:
    task = ServiceTask()
    name = f"{task.work['database']}.{task.work['table']}"
    task.answer(_WORK[task.work["type"]](task.context.spark_session, name, task.work["asked"]))


if __name__ == "__main__":
    main()
