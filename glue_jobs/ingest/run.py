"""One run: from the settings to the item in ``ingest_runs``.

The order makes a run safe to kill anywhere. Rows go to raw, then the manifest says that they are all
there, then one snapshot of the curated table has them, then quarantined rows are appended, then the item
says LANDED; the state machine commits the watermark later. A retry goes on where the last attempt
stopped: a run that is in the table's history is not applied again, and a manifest is not read anew from
the source, unless the table has changed since and the manifest may be older than what the table holds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Optional, Sequence

from ingest import cost, layout, maintenance, quarantine, runs, source_sql, watermark
from ingest.arguments import JobArguments
from ingest.aws import Aws
from ingest.dialect import Dialect
from ingest.engines import (
    Change,
    CommitConflictError,
    Curated,
    Engine,
    Landing,
    Source,
    TableName,
    single_row,
)
from ingest.errors import IngestError
from ingest.evolution import Evolution, plan_evolution
from ingest.iceberg import (
    RAW_LOCATION,
    READING,
    ROWS_DELETED,
    ROWS_INSERTED,
    ROWS_UPDATED,
    RUN_ID,
    SOURCE_FILE,
    STRUCTURE_VERSION,
    WATERMARK_FROM,
    WATERMARK_TO,
    Field,
    IcebergTable,
    Snapshot,
    find_table,
)
from ingest.lease import Lease, hold
from ingest.manifest import LandedFiles, Manifest, find_manifests, read_manifest, write_manifest
from ingest.projection import project
from ingest.runs import Current, Effort, Landed
from ingest.secrets import Credentials, read_credentials, read_masking_key
from ingest.settings import JobSettings, read_job_settings
from ingest.structures import TableStructure, check_settings, check_source, read_table_structure
from ingest.watermark import Window

_log = logging.getLogger(__name__)

_APPEND_ATTEMPTS = 20


def ingest(arguments: JobArguments, engine: Engine, aws: Aws) -> Landed | None:
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
    Landed or None
        What was recorded; None for a replay of a run that is committed, which changes nothing. When the
        run fails, that is recorded and the error raised again.
    """
    started_at, clock = runs.now(), time.monotonic()
    table = aws.dynamodb.Table(arguments.ingest_runs_table)
    if runs.is_committed(table, arguments.table_id, arguments.run_id):
        _log.info("%s: the run %s is committed already", arguments.table_id, arguments.run_id)
        return None
    try:
        with hold(table, arguments.table_id, arguments.run_id) as lease:
            landed = _Run.prepare(arguments, engine, aws).ingest(lease, started_at)
    except Exception as error:
        runs.write_failed(table, arguments, engine.name, started_at, _effort(arguments, clock), error)
        raise
    runs.write_landed(table, arguments, engine.name, started_at, _effort(arguments, clock), landed)
    _log.info("%s: %s", arguments.table_id, landed)
    return landed


def ingest_all(tables: Sequence[JobArguments], engine: Engine, aws: Aws) -> None:
    """Ingest the tables of a job run, one after the other; one that fails does not stop the others.

    Raises
    ------
    IngestError
        At the end, if tables failed: it names them. Why is in their items. The error of a single table is
        raised as it is.
    """
    if len(tables) == 1:
        ingest(tables[0], engine, aws)
        return
    failed = []
    for arguments in tables:
        try:
            ingest(arguments, engine, aws)
        except Exception:  # noqa: BLE001 - it is in the table's item and in the log, and named at the end
            _log.exception("%s failed", arguments.table_id)
            failed.append(arguments.table_id)
    if failed:
        raise IngestError(f"{len(failed)} of {len(tables)} tables failed: {', '.join(failed)}.")


def _effort(arguments: JobArguments, clock: float) -> Effort:
    duration = Decimal(f"{time.monotonic() - clock:.3f}")
    billed = cost.dpu_seconds(duration, Decimal(arguments.dpu), arguments.sharing)
    return Effort(duration, billed, cost.estimated_cost(billed, Decimal(arguments.dpu_hour_usd)))


@dataclass(frozen=True)
class _Run:
    """What a run knows once it has read its items."""

    arguments: JobArguments
    engine: Engine
    aws: Aws
    settings: JobSettings
    structure: TableStructure
    landed: TableStructure
    current: Current
    credentials: Credentials

    @classmethod
    def prepare(cls, arguments: JobArguments, engine: Engine, aws: Aws) -> _Run:
        settings = read_job_settings(aws.dynamodb, arguments.job_settings_table, arguments.table_id)
        if arguments.split_partitions:
            settings = replace(settings, split_partitions=int(arguments.split_partitions))
        credentials = read_credentials(aws.secretsmanager, arguments.secret_id)
        structure = read_table_structure(
            aws.dynamodb, arguments.table_structures_table, arguments.table_id, credentials.dialect
        )
        check_settings(settings, structure, credentials.dialect)
        current = runs.read_current(aws.dynamodb.Table(arguments.ingest_runs_table), arguments.table_id)
        landed = project(structure, settings)
        return cls(arguments, engine, aws, settings, structure, landed, current, credentials)

    @property
    def dialect(self) -> Dialect:
        return self.credentials.dialect

    def ingest(self, lease: Lease, started_at: datetime) -> Landed:
        table = self._find(self._name)
        file = self._source_file()
        applied = table.applied(self.arguments.run_id) if table is not None else None
        twin = table.applied(file, SOURCE_FILE) if table is not None and file is not None else None
        if table is not None and applied is not None:
            manifest = self._manifest_of(applied)
            curated = _curated(self.engine, table, applied)
        elif table is not None and twin is not None:
            _log.info("%s: the run %s ingested %s", self.settings.table_id, twin.summary[RUN_ID], file)
            manifest = self._nothing_of(self._manifest_of(twin))
            curated = Curated(table.snapshot_id, 0, 0, 0, self.engine.count_rows(table), 0)
        else:
            table = self._evolve(table)
            manifest = self._landed(table) or self._land(table, started_at, file)
            lease.check()
            curated = self.engine.curate(self._change(table, manifest))
        quarantine_due = self._append_quarantine(manifest)
        return self._describe(manifest, curated, quarantine_due)

    @property
    def _name(self) -> TableName:
        database, name = self.settings.target_database, self.settings.target_table
        location = layout.curated_location(self.arguments.curated_bucket, database, name)
        return TableName(database, name, location)

    @property
    def _first_attempt(self) -> str:
        settings, arguments = self.settings, self.arguments
        return layout.raw_location(
            arguments.raw_bucket,
            settings.target_database,
            settings.target_table,
            arguments.ingest_date,
            arguments.run_id,
        )

    def _find(self, name: TableName) -> IcebergTable | None:
        return find_table(self.aws.glue, self.aws.s3, name.database, name.name)

    def _evolve(self, table: IcebergTable | None) -> IcebergTable:
        evolution = plan_evolution(self.landed, table)
        if evolution.dropped and self.settings.mode.keeps_absent_rows:
            raise IngestError(
                f"{self.settings.table_id}: the type of {', '.join(evolution.dropped)} changed, and rows "
                "that the source has no longer would lose their values: a table that is loaded by "
                f"{self.settings.load_mode} cannot take that; delete it from the catalog first."
            )
        return self._prepare(self._name, table, evolution)

    def _prepare(self, name: TableName, table: IcebergTable | None, evolution: Evolution) -> IcebergTable:
        if evolution.is_needed:
            self.engine.prepare(name, table, evolution)
            table = self._find(name)
        if table is None:
            raise IngestError(f"The table {name.database}.{name.name} is not in the catalog.")
        return table

    def _landed(self, table: IcebergTable) -> Manifest | None:
        """What an earlier attempt of this run landed, if it is still as new as the table."""
        for manifest in find_manifests(self.aws.s3, self._first_attempt):
            if (
                manifest.engine == self.engine.name
                and manifest.structure_version == self.structure.version
                and manifest.base_snapshot_id == _id(table.data_snapshot)
                and manifest.watermark_from == self.current.watermark
            ):
                _log.info("%s: landed already in %s", self.settings.table_id, manifest.location)
                return manifest
        return None

    def _manifest_of(self, applied: Snapshot) -> Manifest:
        manifest = read_manifest(self.aws.s3, applied.summary[RAW_LOCATION])
        if manifest is None:
            raise IngestError(
                f"{self.settings.table_id}: the run {applied.summary[RUN_ID]} is in the table's history, but "
                f"its manifest is not in {applied.summary[RAW_LOCATION]}."
            )
        return manifest

    def _nothing_of(self, manifest: Manifest) -> Manifest:
        """What this run landed of a file that another one ingested."""
        committed = self.current.watermark
        return replace(
            manifest,
            run_id=self.arguments.run_id,
            watermark_from=committed,
            watermark_to=committed,
            files=LandedFiles(),
        )

    def _source_file(self) -> str | None:
        """Which object the dropped file is: its event may come twice, another file may get its name."""
        location = self.arguments.source_file
        if not location:
            return None
        bucket, key = layout.split_location(location)
        found = self.aws.s3.head_object(Bucket=bucket, Key=key)
        return f"{location} {found['ETag']} {runs.timestamp(found['LastModified'])}"

    def _land(self, table: IcebergTable, started_at: datetime, file: str | None) -> Manifest:
        location = layout.new_attempt(self.aws.s3, self._first_attempt)
        landing = Landing(
            settings=self.settings,
            structure=self.landed,
            table=table,
            query=source_sql.source_query(self.dialect, self.settings, self.landed),
            location=location,
            run_id=self.arguments.run_id,
            ingest_date=self.arguments.ingest_date,
            read_at=runs.timestamp(started_at),
        )
        manifest = self._land_file(landing, file) if file is not None else self._land_table(landing)
        _check_rejected(self.settings, manifest)
        write_manifest(self.aws.s3, manifest)
        _log.info("%s: landed %d rows", manifest.table_id, manifest.files.rows_landed)
        return manifest

    def _land_file(self, landing: Landing, file: str) -> Manifest:
        files = self.engine.open_file(self.arguments.source_file, self._masking_key()).land(landing)
        action = "upsert" if self.settings.key_columns else "append"
        manifest = self._manifest(landing, "file", action, self.current.watermark)
        return replace(manifest, source_file=file, files=files)

    def _land_table(self, landing: Landing) -> Manifest:
        is_same = landing.table.data_snapshot is not None and self._is_read_alike(landing.table.data_snapshot)
        lower = self._lower(landing.table, is_same)
        with self.engine.connect(self.credentials, self._session()) as source:
            drift = check_source(self.structure, self.settings, self._actual_columns(source))
            upper = self._upper(source, lower)
            query = source_sql.source_query(
                self.dialect, self.settings, self.landed, window=self._window(lower, upper), drift=drift
            )
            load_mode, action = _decide(self.settings, lower, is_same)
            manifest = self._manifest(landing, load_mode, action, upper)
            return replace(manifest, files=source.land(replace(landing, query=query)))

    def _session(self) -> dict[str, str]:
        return self.dialect.session_settings(self._masking_key())

    def _masking_key(self) -> bytes | None:
        """The key, where a column is masked."""
        if not any(column.masking for column in self.landed.columns):
            return None
        return read_masking_key(self.aws.secretsmanager, self.arguments.masking_secret_id)

    def _actual_columns(self, source: Source) -> dict[str, str]:
        query = self.dialect.columns_query(self.settings.source_schema, self.settings.source_table)
        return {str(name): str(kind) for name, kind, _ in source.fetch(query)}

    def _lower(self, table: IcebergTable, is_read_alike: bool) -> str | None:
        """The watermark to read from; None to read everything.

        What is read otherwise than before (another version of the structure, other columns, masks or
        filter) is read again in full, except where the source may have forgotten rows.
        """
        is_usable = table.data_snapshot is not None if self.settings.mode.keeps_absent_rows else is_read_alike
        return self.current.watermark if is_usable and self.settings.growing_column else None

    def _upper(self, source: Source, lower: str | None) -> str | None:
        if self.settings.growing_column is None:
            return None
        column = self.structure.column(self.settings.growing_column, "watermark")
        return single_row(source.fetch(watermark.greatest(self.dialect, self.settings, column, lower)))[0]

    def _window(self, lower: str | None, upper: str | None) -> str:
        if self.settings.growing_column is None:
            return ""
        column = self.structure.column(self.settings.growing_column, "watermark")
        window = Window(lower, upper, self.settings.watermark_overlap)
        return watermark.predicate(self.dialect, column, window, is_open=self.settings.mode.is_open)

    def _manifest(self, landing: Landing, load_mode: str, action: str, upper: str | None) -> Manifest:
        return Manifest(
            table_id=self.settings.table_id,
            run_id=self.arguments.run_id,
            engine=self.engine.name,
            structure_version=self.structure.version,
            load_mode=load_mode,
            action=action,
            base_snapshot_id=_id(landing.table.data_snapshot),
            watermark_from=self.current.watermark,
            watermark_to=upper,
            read_at=landing.read_at,
            location=landing.location,
        )

    def _change(self, table: IcebergTable, manifest: Manifest) -> Change:
        properties: dict[str, Optional[str]] = {
            RUN_ID: manifest.run_id,
            STRUCTURE_VERSION: str(manifest.structure_version),
            READING: self._reading,
            RAW_LOCATION: manifest.location,
            WATERMARK_FROM: manifest.watermark_from,
            WATERMARK_TO: manifest.watermark_to,
            SOURCE_FILE: manifest.source_file,
        }
        return Change(
            table=table,
            action=manifest.action,
            key_columns=tuple(self.landed.catalog_names(self.settings.key_columns, "a key")),
            files=manifest.files,
            properties={name: value for name, value in properties.items() if value is not None},
        )

    def _is_read_alike(self, snapshot: Snapshot) -> bool:
        return snapshot.summary.get(READING) == self._reading

    @property
    def _reading(self) -> str:
        """Changes when rows that were read before would be read otherwise now."""
        settings = self.settings
        how = [
            self.structure.version,
            settings.include_columns,
            sorted(settings.column_actions.items()),
            settings.filter,
        ]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]

    def _append_quarantine(self, manifest: Manifest) -> bool:
        """Append the rows of a run once. Runs of other tables append too, so a lost race is run again.

        Returns
        -------
        bool
            Whether compaction and expiry of the quarantine are worth their cost by now.
        """
        if not manifest.files.quarantine:
            return False
        mark = f"{manifest.table_id}/{manifest.run_id}"
        location = layout.curated_location(
            self.arguments.curated_bucket, quarantine.DATABASE, quarantine.TABLE
        )
        name = TableName(quarantine.DATABASE, quarantine.TABLE, location)
        for attempt in range(_APPEND_ATTEMPTS):
            try:
                table = self._find(name)
                table = table or self._prepare(name, None, quarantine.NEW_TABLE)
                _check_fields(table, quarantine.FIELDS)
                if table.applied(mark) is None:
                    files = replace(manifest.files, data=manifest.files.quarantine, deletes=())
                    self.engine.curate(Change(table, "append", (), files, {RUN_ID: mark}))
                    table = self._find(name) or table
                return maintenance.is_due(table, runs.now())
            except CommitConflictError:
                _log.info("%s: the quarantine changed meanwhile; attempt %d", manifest.table_id, attempt + 2)
        raise IngestError(f"{manifest.table_id}: the quarantine changed {_APPEND_ATTEMPTS} times meanwhile.")

    def _describe(self, manifest: Manifest, curated: Curated, quarantine_due: bool) -> Landed:
        table = self._find(self._name)
        files = manifest.files
        return Landed(
            load_mode=manifest.load_mode,
            rows_read=files.rows_read,
            rows_written=files.rows_landed,
            rows_quarantined=files.rows_quarantined,
            rows_inserted=curated.rows_inserted,
            rows_updated=curated.rows_updated,
            rows_deleted=curated.rows_deleted,
            rows_total=curated.rows_total,
            bytes_landed=files.bytes,
            bytes_curated=curated.bytes_written,
            watermark_from=manifest.watermark_from,
            watermark_to=manifest.watermark_to,
            snapshot_id=curated.snapshot_id,
            structure_version=manifest.structure_version,
            location=self._name.location,
            raw_location=manifest.location,
            maintenance_due=table is not None and maintenance.is_due(table, runs.now()),
            quarantine_due=quarantine_due,
        )


def _decide(settings: JobSettings, lower: str | None, is_read_alike: bool) -> tuple[str, str]:
    """What is read, and what is done with it."""
    mode = settings.mode
    goes_on = lower is not None if mode.starts_from else is_read_alike
    if goes_on or mode.keeps_absent_rows:
        return mode.name, mode.action
    return "full", "overwrite"


def _check_rejected(settings: JobSettings, manifest: Manifest) -> None:
    rejected, read = manifest.files.rows_quarantined, manifest.files.rows_read
    if rejected > settings.quality_max_rejected * read:
        raise IngestError(
            f"{settings.table_id}: {rejected} of {read} rows break a quality rule, more than "
            f"quality_max_rejected {settings.quality_max_rejected} allows; they are in "
            f"{manifest.location}quarantine/, and nothing was changed."
        )


def _check_fields(table: IcebergTable, expected: tuple[Field, ...]) -> None:
    if table.fields != expected:
        raise IngestError(f"The table {table.database}.{table.name} does not have the columns of the ingest.")


def _curated(engine: Engine, table: IcebergTable, applied: Snapshot) -> Curated:
    """What a run did that is in the table's history already."""

    def count(name: str) -> int | None:
        text = applied.summary.get(name)
        return None if text is None else int(text)

    return Curated(
        snapshot_id=table.snapshot_id,
        rows_inserted=count(ROWS_INSERTED),
        rows_updated=count(ROWS_UPDATED),
        rows_deleted=count(ROWS_DELETED),
        rows_total=engine.count_rows(table),
        bytes_written=int(applied.summary.get("added-files-size", "0")),
    )


def _id(snapshot: Snapshot | None) -> int | None:
    return None if snapshot is None else snapshot.id
