"""What a run ingests, and how: pure functions over the items of DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from costs import Estimate, Rates, choose, estimate_shell, estimate_spark, partitions
from errors import BadInputError, BadSettingsError, UnknownTableError
from ingest.settings_schema import LOAD_MODES, choices, completed
from sizes import Size

INPUTS = ("tables", "file", "replay")
DROPPED_FORMATS = ("csv", "json", "jsonl", "parquet")
_DROPPED = re.compile(r"drop/(?P<table_id>[^/]+)/[^/]+\.(?P<format>[^./]+)")
# A run reads what changed since the last one; that this is at most twice as much as then is a guess.
_GROWTH = 2


@dataclass(frozen=True)
class Request:
    """The input of an execution.

    Parameters
    ----------
    run_id, ingest_date : str
        Name of the execution and the day on which it started, or those of the run to replay.
    started_at : str
        When the execution started.
    tables : tuple of str, optional
        The ``table_id`` of each table to ingest; every enabled one that is due when it is None.
    file : str, optional
        S3 URI of a dropped file.
    is_replay : bool
        Whether an older run is to be finished.
    """

    run_id: str
    ingest_date: str
    started_at: str
    tables: tuple[str, ...] | None = None
    file: str | None = None
    is_replay: bool = False

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Request:
        """Check what an execution was started with.

        Raises
        ------
        BadInputError
            If it is not what the state machine takes (docs/contracts.md).
        """
        unknown = sorted(set(event) - {"run_id", "ingest_date", "started_at", *INPUTS})
        if unknown:
            raise BadInputError(f"The input holds {', '.join(unknown)}; it may hold {', '.join(INPUTS)}.")
        tables, file, replay = (event.get(name) for name in INPUTS)
        if tables is not None and file is not None:
            raise BadInputError("The input holds tables and file; a file is for the table in its key.")
        run_id, ingest_date = (
            _replay(replay) if replay is not None else (event["run_id"], event["ingest_date"])
        )
        return cls(run_id, ingest_date, event["started_at"], _tables(tables), _file(file), replay is not None)


@dataclass(frozen=True)
class History:
    """What is known of a table's last committed run.

    Parameters
    ----------
    has_watermark : bool
        Whether an incremental load has something to start from.
    rows_read, rows_total : int, optional
        Rows that it read, and that the table had afterwards.
    """

    has_watermark: bool = False
    rows_read: int | None = None
    rows_total: int | None = None


@dataclass(frozen=True)
class Load:
    """About how much a run reads; None is not known."""

    bytes: int | None
    rows: int | None


def choose_tables(
    settings: Iterable[Mapping[str, Any]], requested: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """The settings of the tables that a run ingests: the enabled ones, or those asked for by name.

    Parameters
    ----------
    settings : iterable of mapping
        Items of ``job_settings``.
    requested : sequence of str, optional
        ``table_id`` of each table asked for. A disabled table that is asked for by name is an error too:
        somebody switched it off.
    """
    by_id = {item["table_id"]: completed(item) for item in settings}
    if requested is None:
        return [item for _, item in sorted(by_id.items()) if item["enabled"]]
    unknown = sorted(set(requested) - set(by_id))
    if unknown:
        raise UnknownTableError(f"job_settings holds no {', '.join(unknown)}.")
    disabled = sorted(name for name in set(requested) if not by_id[name]["enabled"])
    if disabled:
        raise UnknownTableError(f"Disabled in job_settings: {', '.join(disabled)}.")
    return [by_id[name] for name in sorted(set(requested))]


def dropped_table(uri: str) -> str:
    """The table that a dropped file is for, from its key ``drop/TABLE_ID/NAME.FORMAT``.

    Raises
    ------
    BadInputError
        If the key is of another shape or the format is none that is read.
    """
    key = uri.removeprefix("s3://").partition("/")[2]
    found = _DROPPED.fullmatch(key)
    if not found:
        raise BadInputError(f"{key} is not drop/TABLE_ID/NAME.FORMAT.")
    if found["format"].lower() not in DROPPED_FORMATS:
        raise BadInputError(
            f"{key} is of the format {found['format']}; {', '.join(DROPPED_FORMATS)} are read."
        )
    return found["table_id"]


def expected_load(settings: Mapping[str, Any], size: Size | None, history: History) -> Load:
    """How much a run of a table will read.

    Parameters
    ----------
    settings : mapping
        Item of ``job_settings``.
    size : Size, optional
        Of the whole table; None when the source has no such table.
    history : History
        What the last committed run did.
    """
    if size is None:
        return Load(None, None)
    mode = LOAD_MODES.get(settings["load_mode"])
    if mode is None or mode.starts_from is None or not history.has_watermark or history.rows_read is None:
        return Load(size.bytes, size.rows)
    rows = history.rows_read * _GROWTH
    if size.rows:
        rows = min(rows, size.rows)
        return Load(size.bytes * rows // size.rows, rows)
    return Load(size.bytes, rows)


def choose_engine(
    settings: Mapping[str, Any], load: Load, spark_threshold_bytes: int, rates: Rates
) -> tuple[Estimate, dict[str, Estimate]]:
    """Which job ingests a table, and what each would take.

    Parameters
    ----------
    settings : mapping
        Item of ``job_settings``; its engine is ``shell``, ``spark``, or ``auto``, which leaves it to
        the estimated cost.
    load : Load
        When its size is not known, the cheaper job tries.
    spark_threshold_bytes : int
        From this size on ``auto`` is Spark whatever it costs: what operators trust the small job with.
    rates : Rates
        Prices and speeds.
    """
    engine, size = settings["engine"], load.bytes or 0
    if engine not in choices("engine"):
        expected = ", ".join(choices("engine"))
        raise BadSettingsError(f"{settings['table_id']}: engine is {engine!r}; it is one of {expected}.")
    both = {
        "shell": estimate_shell(size, rates),
        "spark": estimate_spark(size, rates, is_urgent=bool(settings["urgent"])),
    }
    if engine == "auto" and size >= spark_threshold_bytes:
        engine = "spark"
    chosen = choose(both["shell"], both["spark"], rates) if engine == "auto" else both[engine]
    return chosen, both


def plan_table(
    settings: Mapping[str, Any],
    request: Request,
    load: Load,
    chosen: Estimate,
    jobs: Mapping[str, str],
    keys: Sequence[str],
) -> dict[str, Any]:
    """What the state machine has to know of one table (docs/contracts.md); ``keys`` are catalog names."""
    name = f"{_quote(settings['target_database'])}.{_quote(settings['target_table'])}"
    arguments = {
        "--table_id": settings["table_id"],
        "--run_id": request.run_id,
        "--ingest_date": request.ingest_date,
        "--dpu": f"{chosen.dpu:g}",
        "--dpu_hour_usd": f"{chosen.dpu_hour_usd:g}",
        **({"--source_file": request.file} if request.file else {}),
    }
    table: dict[str, Any] = {
        "table_id": settings["table_id"],
        "engine": chosen.engine,
        "job_name": jobs[chosen.engine],
        "database": settings["target_database"],
        "table": settings["target_table"],
        "arguments": arguments,
        "checks": [check_query(name, keys)],
        "maintenance": [f"OPTIMIZE {name} REWRITE DATA USING BIN_PACK", f"VACUUM {name}"],
        "estimated_bytes": load.bytes,
        "estimated_rows": load.rows,
        "estimated_seconds": round(chosen.seconds, 1),
        "estimated_cost_usd": round(chosen.usd, 6),
    }
    if chosen.workers is not None:
        is_flexible = not settings["urgent"]
        table["execution_class"] = "FLEX" if is_flexible else "STANDARD"
        table["workers"] = chosen.workers
        arguments["--split_partitions"] = str(
            partitions(load.bytes or 0, chosen.workers, int(settings["split_partitions"]))
        )
    if request.file:
        table["source_file"] = request.file
    return table


def check_query(name: str, keys: Sequence[str]) -> str:
    """One pass over a table: how many rows, how many without a whole key, how many with another's key."""
    quoted = [_quote(key) for key in keys]
    if not quoted:
        return f"SELECT count(*), 0, 0 FROM {name}"  # noqa: S608 the name is quoted
    missing = " OR ".join(f"{key} IS NULL" for key in quoted)
    columns = ", ".join(quoted)
    return (
        f"SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE {missing}), 0), "  # noqa: S608 as above
        f"coalesce(sum(n - 1) FILTER (WHERE NOT ({missing})), 0) "
        f"FROM (SELECT {columns}, count(*) AS n FROM {name} GROUP BY {columns}) AS grouped"
    )


def catalog_names(structure: Mapping[str, Any] | None, source_names: Sequence[str]) -> list[str]:
    """What the catalog calls some source columns; those that no structure knows keep their names."""
    columns = structure["columns"] if structure else []
    known = {column["source_name"]: column["name"] for column in columns}
    return [known.get(name, name.lower()) for name in source_names]


def order(tables: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What takes longest comes first, so that no long one is left for the end."""
    return sorted(tables, key=lambda table: (-table["estimated_seconds"], table["table_id"]))


def _tables(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise BadInputError('tables is a list of names that is not empty, for example ["erp.orders"].')
    return tuple(value)


def _file(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("bucket", "key")):
        raise BadInputError("file is an object with bucket and key.")
    return f"s3://{value['bucket']}/{value['key']}"


def _replay(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key), str) for key in ("run_id", "ingest_date")
    ):
        raise BadInputError("replay is an object with run_id and ingest_date.")
    return value["run_id"], value["ingest_date"]


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
