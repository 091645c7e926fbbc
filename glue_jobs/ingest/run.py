"""One run: from the settings to the item in ``ingest_runs``.

The order makes a run safe to kill anywhere: files go to a directory of their own, then the catalog
switches to them, then the item says LANDED. The watermark is committed later by the state machine, so
whatever was lost in between is read again.
"""

from __future__ import annotations

import logging
from typing import Mapping

from ingest import catalog, cleanup, layout, runs, source_sql, watermark
from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.catalog import CatalogTable, Files, Version
from ingest.engines import Engine, Source, Target, single_row
from ingest.layout import PartitionValues
from ingest.merge import RowCounts
from ingest.runs import Current, Landed
from ingest.secrets import read_credentials
from ingest.settings import read_job_settings
from ingest.structures import check_settings, check_source, read_table_structure
from ingest.watermark import Window

_log = logging.getLogger(__name__)


def ingest(arguments: JobArguments, engine: Engine, aws: Aws) -> Landed:
    """Ingest one table.

    Parameters
    ----------
    arguments : JobArguments
        Which table, which run, and where everything is.
    engine : Engine
        Who reads and writes.
    aws : Aws
        Clients.

    Returns
    -------
    Landed
        What was recorded. When the run fails, that is recorded and the error raised again.
    """
    started_at = runs.now()
    table = aws.dynamodb.Table(arguments.ingest_runs_table)
    try:
        landed = _ingest(arguments, engine, aws)
    except Exception as error:
        runs.write_failed(table, arguments, engine.name, started_at, error)
        raise
    runs.write_landed(table, arguments, engine.name, started_at, landed)
    _log.info("%s: %s", arguments.table_id, landed)
    return landed


def _ingest(arguments: JobArguments, engine: Engine, aws: Aws) -> Landed:
    settings = read_job_settings(aws.dynamodb, arguments.job_settings_table, arguments.table_id)
    structure = read_table_structure(aws.dynamodb, arguments.table_structures_table, arguments.table_id)
    check_settings(settings, structure)
    current = runs.read_current(aws.dynamodb.Table(arguments.ingest_runs_table), arguments.table_id)
    previous = catalog.find_table(aws.glue, settings, structure)
    directory = layout.table_location(arguments.lake_bucket, settings.target_database, settings.target_table)
    target = Target(
        settings=settings,
        structure=structure,
        table_location=directory,
        location=layout.new_version_location(aws.s3, directory, arguments.run_id),
    )
    can_merge = previous is not None and previous.has_structure(structure)
    lower = current.watermark if settings.is_incremental and can_merge else None
    with engine.connect(read_credentials(aws.secretsmanager, arguments.secret_id)) as source:
        check_source(structure, settings, _actual_columns(source, target))
        upper = _upper(source, target, lower)
        if lower is None or previous is None:
            version, rows_read = _load(source, target, arguments.run_id)
            written = version.rows
        else:
            version, rows_read, written = _merge(
                source, target, arguments.run_id, previous, Window(lower, upper)
            )
    catalog.publish(aws.glue, settings, structure, version, previous)
    _remove_old_versions(arguments, aws, target, version, previous, current)
    return Landed(
        load_mode="full" if lower is None else "incremental",
        rows_read=rows_read,
        rows_written=written,
        rows_total=version.rows,
        watermark_from=current.watermark,
        watermark_to=upper,
        location=version.location,
    )


def _actual_columns(source: Source, target: Target) -> dict[str, str]:
    rows = source.fetch(source_sql.actual_columns(target.settings))
    return {str(name): str(kind) for name, kind in rows}


def _upper(source: Source, target: Target, lower: str | None) -> str | None:
    settings = target.settings
    if not settings.is_incremental or settings.watermark_column is None:
        return None
    column = target.structure.column(settings.watermark_column, "watermark_column")
    return single_row(source.fetch(watermark.greatest(settings, column, lower)))[0]


def _load(source: Source, target: Target, run_id: str) -> tuple[Version, int]:
    counts = source.load(target, "")
    rows = sum(counts.values())
    return _version(target, run_id, target.location, counts, {}), rows


def _merge(
    source: Source, target: Target, run_id: str, previous: CatalogTable, window: Window
) -> tuple[Version, int, int]:
    column = target.structure.column(str(target.settings.watermark_column), "watermark_column")
    visible = {values: files.location for values, files in previous.parts.items()}
    merged = source.merge(target, watermark.predicate(column, window), visible)
    written = sum(merged.written.values())
    location = target.location if merged.rows_read else previous.location
    kept = {values: previous.parts[values] for values in merged.plan.untouched}
    return _version(target, run_id, location, merged.written, kept), merged.rows_read, written


def _version(
    target: Target,
    run_id: str,
    location: str,
    counts: RowCounts,
    kept: Mapping[PartitionValues, Files],
) -> Version:
    names = target.structure.partition_names
    made = {
        values: Files(layout.partition_location(location, names, values), rows)
        for values, rows in counts.items()
    }
    return Version(location, run_id, {**kept, **made})


def _remove_old_versions(
    arguments: JobArguments,
    aws: Aws,
    target: Target,
    version: Version,
    previous: CatalogTable | None,
    current: Current,
) -> None:
    """Keep what is visible, what was visible before, and what is committed; see :mod:`ingest.cleanup`.

    While an uncommitted version is visible, the files of the committed one are not all known from the
    catalog, so nothing is removed.
    """
    if previous is None or previous.run_id != current.run_id:
        return
    table = aws.dynamodb.Table(arguments.ingest_runs_table)
    locations = [version.location, previous.location]
    locations += [files.location for files in [*version.parts.values(), *previous.parts.values()]]
    removed = cleanup.remove_versions(
        aws.s3,
        target.table_location,
        cleanup.needed_versions(target.table_location, locations),
        lambda run_id: runs.read_status(table, arguments.table_id, run_id) in ("LANDED", "COMMITTED"),
    )
    for name in removed:
        _log.info("%s: removed the old version %s", arguments.table_id, name)
