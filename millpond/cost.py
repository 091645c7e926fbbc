"""What the runs that were made would cost on AWS, and a month of them, from a dated list of prices.

A run is priced by what it did: DPU-seconds of its Glue jobs, transitions of its execution, duration of its
functions, bytes that its queries scanned. Discounts are left out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from millpond.config import CHECKOUT, Settings
from millpond.errors import MillpondError

if TYPE_CHECKING:
    from millpond.aws import Aws

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


@dataclass(frozen=True)
class TableCost:
    """What one table costs.

    Parameters
    ----------
    table_id, engine : str
        The table, and what ingested it.
    run_usd, month_usd : float
        Its last committed run, and a month of such runs.
    runs_of_month : float
        How often it runs.
    other_engine : str
        The engine that did not ingest it.
    other_run_usd : float
        What that would take, by the same estimate with which the planning function chooses.
    """

    table_id: str
    engine: str
    run_usd: float
    month_usd: float
    runs_of_month: float
    other_engine: str
    other_run_usd: float


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
    """

    as_of: str
    region: str
    tables: tuple[TableCost, ...]
    services: tuple[ServiceCost, ...]

    @property
    def run_usd(self) -> float:
        return sum(t.run_usd for t in self.tables) + sum(s.run_usd for s in self.services)

    @property
    def month_usd(self) -> float:
        return sum(t.month_usd for t in self.tables) + sum(s.month_usd for s in self.services)


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
    """

    transitions: int
    function_seconds: tuple[float, ...]
    scanned_bytes: tuple[int, ...]

    @classmethod
    def of_history(cls, events: Iterable[Mapping[str, Any]]) -> Execution:
        """Read the events that ``GetExecutionHistory`` answers."""
        transitions, seconds, scanned = 0, [], []
        scheduled: dict[int, datetime] = {}
        for event in events:
            kind = event["type"]
            transitions += kind.endswith("StateEntered")
            if kind == "TaskScheduled":
                scheduled[event["id"]] = event["timestamp"]
            if kind == "TaskStarted" and event["previousEventId"] in scheduled:
                scheduled[event["id"]] = scheduled[event["previousEventId"]]
            if kind == "TaskSucceeded":
                details = event["taskSucceededEventDetails"]
                began = scheduled.get(event["previousEventId"], event["timestamp"])
                if details["resourceType"] == "lambda":
                    seconds.append((event["timestamp"] - began).total_seconds())
                if details["resourceType"] == "athena":
                    statistics = json.loads(details["output"]).get("QueryExecution", {}).get("Statistics", {})
                    scanned.append(int(statistics.get("DataScannedInBytes", 0)))
        return cls(transitions, tuple(seconds), tuple(scanned))


def report(aws: Aws, settings: Settings, prices_file: Path = PRICES) -> CostReport:
    """What the last run of each table cost, and a month at the current schedules.

    Raises
    ------
    MillpondError
        If nothing was ingested yet, or the platform is not deployed.
    """
    prices = read_prices(prices_file)
    runs = last_runs(aws, settings)
    of_tables = table_settings(aws, settings)
    usual = _usual_schedule(aws, settings)
    urgent = {table_id for table_id in runs if of_tables[table_id].get("urgent")}
    estimates = _estimates(aws, settings, sorted(runs), urgent)
    tables = tuple(
        table_cost(run, runs_of_month(of_tables[table_id].get("schedule") or usual), *estimates[table_id])
        for table_id, run in sorted(runs.items())
    )
    execution = _last_execution(aws, settings, runs)
    monthly = runs_of_month(usual)
    services = [
        *run_services(execution, len(tables), monthly, prices),
        *standing_services(_standing(aws, settings), prices),
    ]
    return CostReport(prices["as_of"], prices["region"], tables, tuple(services))


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


def table_cost(run: Mapping[str, Any], monthly: float, other_engine: str, other_usd: float) -> TableCost:
    """Price one table from its item in ``ingest_runs``."""
    usd = float(run["estimated_cost_usd"])
    return TableCost(run["table_id"], run["engine"], usd, usd * monthly, monthly, other_engine, other_usd)


def run_services(
    execution: Execution, tables: int, monthly: float, prices: Mapping[str, Any], memory_gb: float = 0.25
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
    }
    return [ServiceCost(name, usd, usd * monthly) for name, usd in once.items()]


def standing_services(standing: Mapping[str, float], prices: Mapping[str, Any]) -> list[ServiceCost]:
    """What costs the same whether anything runs or not."""
    month = {
        "S3: data": standing["stored_bytes"] / GB * prices["s3_gb_month"],
        "Secrets Manager": standing["secrets"] * prices["secret_month"],
        "KMS": standing["keys"] * prices["kms_key_month"],
        "CloudWatch: alarms": standing["alarms"] * prices["cloudwatch_alarm_month"],
        "CloudWatch: dashboards": standing["dashboards"] * prices["cloudwatch_dashboard_month"],
        "VPN connections": standing["vpn_connections"] * HOURS_OF_MONTH * prices["vpn_connection_hour"],
        "VPC: interface endpoints": standing["endpoint_interfaces"]
        * HOURS_OF_MONTH
        * prices["interface_endpoint_hour"],
    }
    return [ServiceCost(name, 0.0, usd) for name, usd in month.items()]


def runs_of_month(expression: str, today: date | None = None) -> float:
    """How often a schedule expression of EventBridge fires in the 30 days before a day."""
    rate = expression.removeprefix("rate(").removesuffix(")").split()
    if expression.startswith("rate("):
        minutes = {"minute": 1, "hour": 60, "day": 1440}[rate[1].removesuffix("s")]
        return DAYS_OF_MONTH * 1440 / (int(rate[0]) * minutes)
    cron = _of_plan("schedules").Cron.parse(expression)
    last = today or datetime.now(UTC).date()
    days = [last - timedelta(days=before) for before in range(DAYS_OF_MONTH)]
    fits = [d for d in days if d.year in cron.years and d.month in cron.months and cron.fits(d)]
    return float(len(fits) * len(cron.hours) * len(cron.minutes))


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
    return {one["table_id"]: one for one in _scan(aws, f"{settings.prefix}-job_settings")}


def _usual_schedule(aws: Aws, settings: Settings) -> str:
    name = f"/{settings.project}/{settings.environment}/ingest/schedule"
    return aws.ssm.get_parameter(Name=name)["Parameter"]["Value"]


def _estimates(
    aws: Aws, settings: Settings, table_ids: Sequence[str], urgent: Collection[str]
) -> dict[str, tuple[str, float]]:
    """For each table, the engine that does not ingest it, and what a run of that would cost.

    The planning function sizes the tables; the prices and speeds are those of its own environment.
    """
    function = f"{settings.prefix}-plan"
    client = aws.session.client("lambda", endpoint_url=settings.endpoint_url)
    now = datetime.now(UTC)
    event = {
        "run_id": "cost",
        "tables": list(table_ids),
        "ingest_date": now.date().isoformat(),
        "started_at": now.isoformat(timespec="milliseconds"),
    }
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    content = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise MillpondError(
            f"The planning function failed: {content.get('errorMessage')}",
            where=function,
            next_step="millpond status",
        )
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    costs = _of_plan("costs")
    rates = costs.Rates.from_environment(variables)
    estimates = {}
    for table in content["tables"]:
        size = int(table["estimated_bytes"] or 0)
        if table["engine"] == "spark":
            other = costs.estimate_shell(size, rates)
        else:
            other = costs.estimate_spark(size, rates, is_urgent=table["table_id"] in urgent)
        estimates[table["table_id"]] = (other.engine, other.usd)
    return estimates


def _last_execution(aws: Aws, settings: Settings, runs: Mapping[str, Mapping[str, Any]]) -> Execution:
    run_id = max(runs.values(), key=lambda run: run["started_at"])["run_id"]
    arn = (
        f"arn:aws:states:{settings.region}:{settings.account_id}:execution:{settings.prefix}-ingest:{run_id}"
    )
    pages = aws.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
    return Execution.of_history(event for page in pages for event in page["events"])


def _standing(aws: Aws, settings: Settings) -> dict[str, float]:
    """How much of everything there is that is paid by the month."""

    def client(service: str) -> Any:
        return aws.session.client(service, endpoint_url=settings.endpoint_url)  # type: ignore[call-overload]

    cloudwatch, ec2 = client("cloudwatch"), client("ec2")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=settings.prefix)
    aliases = client("kms").list_aliases()["Aliases"]
    secrets = aws.secretsmanager.list_secrets()["SecretList"]
    vpns = ec2.describe_vpn_connections()["VpnConnections"]
    return {
        "stored_bytes": sum(_stored_bytes(aws, settings, purpose) for purpose in ("raw", "curated")),
        "secrets": sum(
            one["Name"].startswith(f"{settings.project}/{settings.environment}/") for one in secrets
        ),
        "keys": sum(one["AliasName"].startswith(f"alias/{settings.prefix}") for one in aliases),
        "alarms": len(alarms["MetricAlarms"]) + len(alarms.get("CompositeAlarms", [])),
        "dashboards": len(
            cloudwatch.list_dashboards(DashboardNamePrefix=settings.prefix)["DashboardEntries"]
        ),
        "vpn_connections": sum(one["State"] == "available" for one in vpns),
        "endpoint_interfaces": sum(
            len(one.get("SubnetIds", [])) for one in endpoints if one["VpcEndpointType"] == "Interface"
        ),
    }


def _stored_bytes(aws: Aws, settings: Settings, purpose: str) -> int:
    bucket = f"{settings.prefix}-{purpose}-{settings.account_id}-{settings.region}"
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sum(one["Size"] for page in pages for one in page.get("Versions", []))


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
