"""What the runs that were made would cost on AWS, and a month of them, from a dated list of prices.

A run is priced by what it did: DPU-seconds of its Glue jobs, transitions of its execution, duration of its
functions, bytes that its queries scanned and that it logged. Discounts are left out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from ingest.settings_schema import completed

from lake.ingest import read_plan
from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from millpond.client.aws import Aws
from millpond.client.listing import pages

PRICES = CHECKOUT / "fixtures" / "prices.json"
DAYS_OF_MONTH = 30
HOURS_OF_MONTH = 730
GB = 1024**3
CURRENT = "CURRENT"
# For each table of a run: settings, structure, CURRENT and the run itself are read about twice each; lease,
# landing, commit and release are written.
READS_OF_TABLE, WRITES_OF_TABLE = 10, 6
# A Parquet file, a manifest, Iceberg's metadata, manifest list, manifest and data file.
PUTS_OF_TABLE = 8
# Has a value at every hour; the others have one in the hours of runs, and no other hour is billed.
METRIC_OF_EVERY_HOUR = "MinutesSinceCommit"
BYTES_OF_LOG_EVENT = 26


@dataclass(frozen=True)
class TableCost:
    """What one table costs.

    Parameters
    ----------
    table_id, engine : str
        The table, and what ingested it.
    run_usd, month_usd : float
        Its last committed run, and a month of such runs.
    runs_of_month : int
        How often it runs.
    other_engine : str
        The engine that did not ingest it.
    other_run_usd, other_month_usd : float
        What that would take, by the same estimate with which the planning function chooses.
    """

    table_id: str
    engine: str
    run_usd: float
    month_usd: float
    runs_of_month: int
    other_engine: str
    other_run_usd: float
    other_month_usd: float


@dataclass(frozen=True)
class ServiceCost:
    """What is not of one table.

    Parameters
    ----------
    name : str
        Service and what for.
    run_usd, month_usd : float
        The last run, and a month.
    """

    name: str
    run_usd: float
    month_usd: float


@dataclass(frozen=True)
class CostReport:
    """Everything.

    Parameters
    ----------
    as_of, region : str
        Of the prices.
    tables : tuple of TableCost
        Glue, by table.
    services : tuple of ServiceCost
        All the rest.
    left_out : tuple of str
        Tables that were ingested once and that no run ingests any more.
    """

    as_of: str
    region: str
    tables: tuple[TableCost, ...]
    services: tuple[ServiceCost, ...]
    left_out: tuple[str, ...] = ()

    @property
    def totals(self) -> dict[str, float]:
        """Of the tables, of the tables with their other engines, and of everything."""
        glue_run, glue_month = sum(t.run_usd for t in self.tables), sum(t.month_usd for t in self.tables)
        return {
            "glue_run_usd": glue_run,
            "glue_month_usd": glue_month,
            "other_run_usd": sum(t.other_run_usd for t in self.tables),
            "other_month_usd": sum(t.other_month_usd for t in self.tables),
            "run_usd": glue_run + sum(s.run_usd for s in self.services),
            "month_usd": glue_month + sum(s.month_usd for s in self.services),
        }


@dataclass(frozen=True)
class Execution:
    """What an execution of the state machine used.

    Parameters
    ----------
    transitions : int
        States that were entered; AWS bills each, retries too.
    function_seconds : tuple of float
        Duration of each call of a function.
    scanned_bytes : tuple of int
        What each query scanned.
    began, ended : datetime, optional
        Times of its first and last event.
    """

    transitions: int
    function_seconds: tuple[float, ...]
    scanned_bytes: tuple[int, ...]
    began: datetime | None = None
    ended: datetime | None = None

    @classmethod
    def of_history(cls, events: Iterable[Mapping[str, Any]]) -> Execution:
        """Read the events that ``GetExecutionHistory`` answers."""
        transitions, seconds, scanned = 0, [], []
        scheduled: dict[int, datetime] = {}
        began = ended = None
        for event in events:
            began, ended = began or event["timestamp"], event["timestamp"]
            kind = event["type"]
            transitions += kind.endswith("StateEntered")
            if kind == "TaskScheduled":
                scheduled[event["id"]] = event["timestamp"]
            if kind == "TaskStarted" and event["previousEventId"] in scheduled:
                scheduled[event["id"]] = scheduled[event["previousEventId"]]
            # A function that leaves a token ends when it is submitted, its task when a person answers.
            if kind in ("TaskSucceeded", "TaskSubmitted"):
                details = event[f"t{kind[1:]}EventDetails"]
                called = scheduled.get(event["previousEventId"], event["timestamp"])
                waits = details["resource"].endswith(".waitForTaskToken")
                if details["resourceType"] == "lambda" and waits == (kind == "TaskSubmitted"):
                    seconds.append((event["timestamp"] - called).total_seconds())
                if details["resourceType"] == "athena" and kind == "TaskSucceeded":
                    statistics = json.loads(details["output"]).get("QueryExecution", {}).get("Statistics", {})
                    scanned.append(int(statistics.get("DataScannedInBytes", 0)))
        return cls(transitions, tuple(seconds), tuple(scanned), began, ended)

    def with_children(self, children: Iterable[Execution]) -> Execution:
        """The same with what the executions of its batches used; its times stay."""
        every = [self, *children]
        return replace(
            self,
            transitions=sum(one.transitions for one in every),
            function_seconds=tuple(seconds for one in every for seconds in one.function_seconds),
            scanned_bytes=tuple(size for one in every for size in one.scanned_bytes),
        )


def report(aws: Aws, settings: Settings, prices_file: Path = PRICES) -> CostReport:
    """What the last run of each table cost, and a month at the current schedules.

    Raises
    ------
    MillpondError
        If nothing was ingested yet, or the platform is not deployed.
    """
    prices = read_prices(prices_file)
    of_tables = table_settings(aws, settings)
    runs, left_out = still_ingested(last_runs(aws, settings), of_tables)
    usual = _usual_schedule(aws, settings)
    others = _other_engines(aws, settings, of_tables, sorted(runs))
    tables = tuple(
        table_cost(run, runs_of_month(usual, of_tables[table_id].get("schedule")), *others[table_id])
        for table_id, run in sorted(runs.items())
    )
    execution, monthly = _last_execution(aws, settings, runs), runs_of_month(usual)
    services = (
        *run_services(execution, len(tables), monthly, prices, _logged_bytes(aws, settings, execution)),
        *standing_services(_standing(aws, settings), monthly, prices),
    )
    return CostReport(prices["as_of"], prices["region"], tables, services, left_out)


def read_prices(path: Path) -> dict[str, Any]:
    """The dated list of prices.

    Raises
    ------
    MillpondError
        If it is not there or not JSON.
    """
    try:
        prices: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MillpondError(f"The prices cannot be read: {error}.", where=str(path)) from error
    return prices


def still_ingested(
    runs: Mapping[str, dict[str, Any]], of_tables: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The runs of tables that are enabled in ``job_settings``, and the names of the others.

    Raises
    ------
    MillpondError
        If no table is left.
    """
    enabled = {
        table_id: run for table_id, run in runs.items() if of_tables.get(table_id, {}).get("enabled", False)
    }
    left_out = tuple(sorted(set(runs) - set(enabled)))
    if not enabled:
        raise MillpondError(
            f"No table that was ingested is enabled in job_settings: {', '.join(left_out)}.",
            next_step="millpond ingest",
        )
    return enabled, left_out


def table_cost(run: Mapping[str, Any], monthly: int, other_engine: str, other_usd: float) -> TableCost:
    """Price one table from its item in ``ingest_runs``."""
    usd = float(run["estimated_cost_usd"])
    return TableCost(
        run["table_id"],
        run["engine"],
        usd,
        usd * monthly,
        monthly,
        other_engine,
        other_usd,
        other_usd * monthly,
    )


def run_services(
    execution: Execution,
    tables: int,
    monthly: int,
    prices: Mapping[str, Any],
    logged_bytes: int,
    memory_gb: float = 0.25,
) -> list[ServiceCost]:
    """What a run needs beside Glue, priced by the unit that AWS bills."""
    least = prices["athena_least_mb_per_query"] * 1024**2
    scanned = sum(max(size, least) for size in execution.scanned_bytes)
    calls, seconds = len(execution.function_seconds), sum(execution.function_seconds)
    once = {
        "Step Functions: transitions": execution.transitions / 1000 * prices["state_transitions_thousand"],
        "Lambda: plan, register, notify": calls / 1e6 * prices["lambda_million_requests"]
        + seconds * memory_gb * prices["lambda_gb_second"],
        "Athena: checks of the ingest": scanned / 1024**4 * prices["athena_tb_scanned"],
        "DynamoDB: settings and runs": tables
        * (
            READS_OF_TABLE * prices["dynamodb_million_reads"]
            + WRITES_OF_TABLE * prices["dynamodb_million_writes"]
        )
        / 1e6,
        "S3: requests": tables * PUTS_OF_TABLE / 1000 * prices["s3_thousand_puts"],
        "CloudWatch: logs": logged_bytes / GB * prices["cloudwatch_logs_gb"],
    }
    return [ServiceCost(name, usd, usd * monthly) for name, usd in once.items()]


def standing_services(
    standing: Mapping[str, float], monthly: int, prices: Mapping[str, Any]
) -> list[ServiceCost]:
    """What is paid by the month."""
    hours_of_runs = min(monthly, HOURS_OF_MONTH) / HOURS_OF_MONTH
    metrics = standing["metrics_of_every_hour"] + standing["metrics_of_runs"] * hours_of_runs
    month = {
        "S3: data": standing["stored_bytes"] / GB * prices["s3_gb_month"],
        "Secrets Manager": standing["secrets"] * prices["secret_month"],
        "KMS": standing["keys"] * prices["kms_key_month"],
        "CloudWatch: alarms": standing["alarms"] * prices["cloudwatch_alarm_month"]
        + standing["composite_alarms"] * prices["cloudwatch_composite_alarm_month"],
        "CloudWatch: custom metrics": metrics * prices["cloudwatch_metric_month"],
        "CloudWatch: dashboards": standing["dashboards"] * prices["cloudwatch_dashboard_month"],
        "VPN connections": standing["vpn_connections"] * HOURS_OF_MONTH * prices["vpn_connection_hour"],
        "VPC: interface endpoints": standing["endpoint_interfaces"]
        * HOURS_OF_MONTH
        * prices["interface_endpoint_hour"],
    }
    return [ServiceCost(name, 0.0, usd) for name, usd in month.items()]


def runs_of_month(usual: str, own: str | None = None, end: date | None = None) -> int:
    """How often a table is ingested in 30 days.

    Parameters
    ----------
    usual : str
        Schedule expression of the rule that starts the state machine.
    own : str, optional
        The table's own, which decides in which of those runs it is due.
    end : date, optional
        The day after them; tomorrow when not given.
    """
    until = datetime.combine(end or datetime.now(UTC).date() + timedelta(days=1), time(), UTC)
    begin = until - timedelta(days=DAYS_OF_MONTH)
    if own is None:
        return len(list(_firings(usual, begin, until)))
    is_due = _of_plan("schedules").is_due
    # From a month earlier on, so that the first run that counts has one before it.
    last, runs = None, 0
    for fired in _firings(usual, begin - timedelta(days=DAYS_OF_MONTH), until):
        if is_due(own, last, fired):
            last = fired
            runs += fired >= begin
    return runs


def _firings(expression: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    """When a schedule expression of EventBridge fires."""
    if expression.startswith("rate("):
        value, unit = expression.removeprefix("rate(").removesuffix(")").split()
        period = timedelta(**{f"{unit.removesuffix('s')}s": int(value)})
        while begin < end:
            yield begin
            begin += period
        return
    cron = _of_plan("schedules").Cron.parse(expression)
    while begin < end:
        if begin.year in cron.years and begin.month in cron.months and cron.fits(begin.date()):
            for hour, minute in product(sorted(cron.hours), sorted(cron.minutes)):
                yield begin.replace(hour=hour, minute=minute)
        begin += timedelta(days=1)


def last_runs(aws: Aws, settings: Settings) -> dict[str, dict[str, Any]]:
    """The item of the last committed run of each table.

    Raises
    ------
    MillpondError
        If no table was ever committed.
    """
    items = {(one["table_id"], one["run_id"]): one for one in _scan(aws, f"{settings.prefix}-ingest_runs")}
    runs = {
        table_id: items[table_id, one["committed_run_id"]]
        for (table_id, run_id), one in items.items()
        if run_id == CURRENT and (table_id, one.get("committed_run_id")) in items
    }
    if not runs:
        raise MillpondError("Nothing was ingested yet.", next_step="millpond ingest")
    return runs


def table_settings(aws: Aws, settings: Settings) -> dict[str, dict[str, Any]]:
    """The item of each table in ``job_settings``."""
    items = _scan(aws, f"{settings.prefix}-job_settings")
    return {one["table_id"]: completed(one) for one in items}


def _usual_schedule(aws: Aws, settings: Settings) -> str:
    name = f"/{settings.project}/{settings.environment}/ingest/schedule"
    return aws.ssm.get_parameter(Name=name)["Parameter"]["Value"]


def _other_engines(
    aws: Aws, settings: Settings, of_tables: Mapping[str, Mapping[str, Any]], table_ids: Sequence[str]
) -> dict[str, tuple[str, float]]:
    """The planning function sizes the tables; the prices and speeds are those of its own environment."""
    function = f"{settings.prefix}-plan"
    now = datetime.now(UTC)
    event = {
        "run_id": "cost",
        "tables": list(table_ids),
        "ingest_date": now.date().isoformat(),
        "started_at": now.isoformat(timespec="milliseconds"),
    }
    answer = aws.lambda_.invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise MillpondError(
            f"The planning function failed: {content.get('errorMessage')}",
            where=function,
            next_step="millpond status",
        )
    environment = aws.lambda_.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    return other_engines(read_plan(aws, content)["tables"], of_tables, environment)


def other_engines(
    planned: Iterable[Mapping[str, Any]],
    of_tables: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, str],
) -> dict[str, tuple[str, float]]:
    """For each table, the engine that does not ingest it, and what a run of that would cost.

    Parameters
    ----------
    planned : iterable of mapping
        The tables of the planning function's plan.
    of_tables : mapping
        Item of ``job_settings`` by table.
    environment : mapping
        The planning function's, which holds prices and speeds.
    """
    costs = _of_plan("costs")
    rates = costs.Rates.from_environment(environment)
    others = {}
    for table in planned:
        size, table_id = int(table["estimated_bytes"] or 0), table["table_id"]
        if table["engine"] == "spark":
            other = costs.estimate_shell(size, rates)
        else:
            other = costs.estimate_spark(size, rates, is_urgent=of_tables[table_id]["urgent"])
        others[table_id] = (other.engine, other.usd)
    return others


def _last_execution(aws: Aws, settings: Settings, runs: Mapping[str, Mapping[str, Any]]) -> Execution:
    run_id = max(runs.values(), key=lambda run: run["started_at"])["run_id"]
    arn = f"arn:aws:states:{aws.region}:{aws.account_id}:execution:{settings.prefix}-ingest:{run_id}"
    machines = aws.stepfunctions
    children = [
        child["executionArn"]
        for run in pages(machines, "list_map_runs", "mapRuns", executionArn=arn)
        for child in pages(machines, "list_executions", "executions", mapRunArn=run["mapRunArn"])
    ]
    whole, *parts = (
        Execution.of_history(pages(machines, "get_execution_history", "events", executionArn=one))
        for one in (arn, *children)
    )
    return whole.with_children(parts)


def _logged_bytes(aws: Aws, settings: Settings, execution: Execution) -> int:
    """What the functions, the state machine and the jobs logged while an execution ran, as it is billed."""
    if execution.began is None or execution.ended is None:
        return 0
    groups = [one["logGroupName"] for one in _all(aws.logs, "describe_log_groups", "logGroups")]
    begin, end = (int(at.timestamp() * 1000) for at in (execution.began, execution.ended))
    return sum(
        len(event["message"].encode()) + BYTES_OF_LOG_EVENT
        for group in groups
        if settings.prefix in group or group.startswith("/aws-glue/")
        for event in _all(
            aws.logs, "filter_log_events", "events", logGroupName=group, startTime=begin, endTime=end
        )
    )


def _standing(aws: Aws, settings: Settings) -> dict[str, float]:
    """How much of everything there is that is paid by the month."""
    cloudwatch, ec2, prefix = aws.client("cloudwatch"), aws.client("ec2"), settings.prefix
    alarms = {
        kind: _all(cloudwatch, "describe_alarms", f"{kind}s", AlarmNamePrefix=prefix, AlarmTypes=[kind])
        for kind in ("MetricAlarm", "CompositeAlarm")
    }
    metrics = [one["MetricName"] for one in _all(cloudwatch, "list_metrics", "Metrics", Namespace="Millpond")]
    of_every_hour = metrics.count(METRIC_OF_EVERY_HOUR)
    dashboards = _all(cloudwatch, "list_dashboards", "DashboardEntries", DashboardNamePrefix=prefix)
    aliases = _all(aws.client("kms"), "list_aliases", "Aliases")
    secrets = _all(aws.secretsmanager, "list_secrets", "SecretList")
    endpoints = _all(ec2, "describe_vpc_endpoints", "VpcEndpoints")
    # EC2 answers all of these at once: they have no pages.
    vpns = ec2.describe_vpn_connections()["VpnConnections"]
    return {
        "stored_bytes": sum(_stored_bytes(aws, settings, purpose) for purpose in ("raw", "curated")),
        "secrets": sum(
            one["Name"].startswith(f"{settings.project}/{settings.environment}/") for one in secrets
        ),
        "keys": sum(one["AliasName"].startswith(f"alias/{prefix}") for one in aliases),
        "alarms": len(alarms["MetricAlarm"]),
        "composite_alarms": len(alarms["CompositeAlarm"]),
        "metrics_of_every_hour": of_every_hour,
        "metrics_of_runs": len(metrics) - of_every_hour,
        "dashboards": len(dashboards),
        "vpn_connections": sum(one["State"] == "available" for one in vpns),
        "endpoint_interfaces": sum(
            len(one.get("SubnetIds", [])) for one in endpoints if one["VpcEndpointType"] == "Interface"
        ),
    }


def _all(client: Any, operation: str, name: str, **arguments: Any) -> list[dict[str, Any]]:
    """What every page of an answer holds under a name."""
    return list(pages(client, operation, name, **arguments))


def _stored_bytes(aws: Aws, settings: Settings, purpose: str) -> int:
    bucket = f"{settings.prefix}-{purpose}-{aws.account_id}-{aws.region}"
    return sum(one["Size"] for one in pages(aws.s3, "list_object_versions", "Versions", Bucket=bucket))


def _scan(aws: Aws, table: str) -> Iterator[dict[str, Any]]:
    deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize
    for page in aws.dynamodb.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            yield {name: deserialize(value) for name, value in item.items()}


@cache
def _of_plan(module: str) -> ModuleType:
    """A module of the planning function: it alone says what an engine costs and when one is due."""
    folder = CHECKOUT / "lambdas" / "plan"
    sys.path.insert(0, str(folder))
    try:
        specification = importlib.util.spec_from_file_location(
            f"millpond_plan_{module}", folder / f"{module}.py"
        )
        if specification is None or specification.loader is None:
            raise ImportError(f"{module} of the planning function")
        loaded = importlib.util.module_from_spec(specification)
        sys.modules[specification.name] = loaded
        specification.loader.exec_module(loaded)
    finally:
        sys.path.remove(str(folder))
    return loaded
