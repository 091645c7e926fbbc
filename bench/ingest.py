"""What it takes to ingest TPC-H lineitem: both engines, and others that copy PostgreSQL to Parquet on S3.

Run with the harness's Python from the checkout: ``python bench/ingest.py --help``. It uses an engine, a
database and a state directory of its own, and the toolchain that ``millpond doctor`` found; the others are
installed into environments of their own, from ``requirements/bench*.txt``, when they are first asked for.

Every run is a fresh process. The contestants take turns, round after round, so that what else the machine
does meets all of them. Time is the wall clock's from the start of the process: to the manifest in raw
(*land*) and to its end. CPU and memory are those of the process and its children, sampled every 50 ms: the
last CPU time seen of each process, and the largest sum of resident sets; the database and the engine are not
in it, *machine CPU* has them.
"""

# ruff: noqa: S608 (the names in the queries are ours)

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import duckdb
import duckdb_extension_httpfs
import psutil
from rich.console import Console
from rich.table import Table

from lake.load import load
from millpond.base.config import CHECKOUT, load_settings
from millpond.planes.glue.spark import local_size
from millpond.toolchain import bootstrap

sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/integration")]

from ingest_fixtures import CURATED, RAW, REGION, Lab, open_lab  # noqa: E402 the tests are no package

TABLE = "tpch.lineitem"
SPLIT_COLUMN = "l_orderkey"
BUCKET = "bench"
SAMPLE_SECONDS = 0.05
PEERS = Path(__file__).parent / "peers"
SPARK_JOB = {"WorkerType": "G.1X", "NumberOfWorkers": 2}
INCREMENTAL = "lineitem_changing"

Command = tuple[Sequence[str], Mapping[str, str]]


@dataclass
class Run:
    """One process from its start to its end.

    Parameters
    ----------
    seconds, cpu_seconds, machine_cpu_seconds : float
        Wall clock, the process tree's CPU, everything's CPU.
    peak_mb : float
        Largest sum of the resident sets of the tree, in units of 1e6 bytes.
    land_seconds : float or None
        When the manifest was written, for an ingest of ours.
    error : str
        The end of what it printed when it failed; empty when it did not.
    load : float
        Load average of the machine when it began.
    """

    seconds: float
    cpu_seconds: float
    machine_cpu_seconds: float
    peak_mb: float
    land_seconds: float | None
    error: str
    load: float


@dataclass
class Contestant:
    """Somebody who copies the table.

    Parameters
    ----------
    name : str
    command : callable
        Given the number of the round, what to run and what to add to its environment.
    count : callable
        Given the number of the round, how many rows are there now.
    """

    name: str
    command: Callable[[int], Command]
    count: Callable[[int], int]
    runs: list[Run] = field(default_factory=list)


def main() -> None:
    arguments = parse()
    console = Console()
    with tempfile.TemporaryDirectory(dir=scratch()) as name, open_lab(Path(name)) as lab:
        lab.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        configure_spark(lab)
        load(lab.settings, scale=0.01, tpch_sf=arguments.scale_factor, progress=console.log)
        declare(lab)
        results: dict[str, object] = {"scale_factor": arguments.scale_factor, "cpus": psutil.cpu_count()}
        if arguments.only != ["incremental"]:
            results["full"] = compare_full(lab, arguments, console)
        if "incremental" in arguments.only or not arguments.only:
            results["incremental"] = compare_incremental(lab, arguments, console)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale-factor", type=float, default=1.0)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="shell, spark, duckdb, connectorx, dlt, ingestr, spark-jdbc or incremental; all unless given",
    )
    parser.add_argument("--json", type=Path, help="where to write every run")
    return parser.parse_args()


def scratch() -> Path:
    directory = load_settings().home / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def configure_spark(lab: Lab) -> None:
    """Give Spark the heap that a worker of the job has on this machine."""
    size = local_size(SPARK_JOB, psutil.cpu_count() or 1, psutil.virtual_memory().total)
    path = lab.directory / "conf" / "spark-defaults.conf"
    path.write_text(path.read_text() + f"spark.driver.memory {size.heap_mb}m\n")


def declare(lab: Lab) -> None:
    lab.make_database("tpch")
    settings = json.loads((CHECKOUT / f"fixtures/job_settings/{TABLE}.json").read_text())
    structure = json.loads((CHECKOUT / f"fixtures/table_structures/{TABLE}.json").read_text())
    lab.put(settings, structure)


def compare_full(lab: Lab, arguments: argparse.Namespace, console: Console) -> dict[str, list[object]]:
    with lab.database.connection() as connection:
        (expected,) = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone() or (0,)
    chosen = [one for one in contestants(lab) if not arguments.only or one.name in arguments.only]
    for number in range(arguments.rounds):
        for one in chosen:
            run = measure(lab, one.command(number))
            if not run.error and (found := one.count(number)) != expected:
                run.error = f"{found} rows instead of {expected}"
            one.runs.append(run)
            console.log(f"round {number + 1}: {one.name} {'failed' if run.error else f'{run.seconds:.1f} s'}")
            empty(lab, BUCKET)
            empty(lab, RAW)
    console.print(full_table(chosen, expected))
    for one in chosen:
        for error in {run.error for run in one.runs if run.error}:
            console.print(f"{one.name} failed: {error.strip()}", markup=False)
    return {one.name: [asdict(run) for run in one.runs] for one in chosen}


def contestants(lab: Lab) -> Iterator[Contestant]:
    curated = rows_of_ours(lab)
    yield Contestant("shell", ours(lab, "shell"), curated)
    yield Contestant("duckdb", peer(lab, "duckdb", "duckdb_postgres"), rows_of_peer(lab, "duckdb"))
    yield Contestant(
        "connectorx", peer(lab, "connectorx", "connectorx_stream"), rows_of_peer(lab, "connectorx")
    )
    yield Contestant("dlt", peer(lab, "dlt", "dlt_connectorx"), rows_of_peer(lab, "dlt"))
    yield Contestant("ingestr", ingestr(lab), rows_of_peer(lab, "ingestr"))
    yield Contestant("spark", ours(lab, "spark"), curated)
    yield Contestant("spark-jdbc", peer(lab, "spark-jdbc", "spark_jdbc"), rows_of_peer(lab, "spark-jdbc"))


def ours(lab: Lab, engine: str) -> Callable[[int], Command]:
    python = lab.tools.spark_python if engine == "spark" else lab.tools.shell_python
    return lambda number: ([str(python), *lab.words(engine, TABLE, f"{engine}-{number}")], {})


def rows_of_ours(lab: Lab) -> Callable[[int], int]:
    return lambda _: int(lab.metadata(TABLE)["snapshots"][-1]["summary"]["total-records"])


def peer(lab: Lab, name: str, script: str) -> Callable[[int], Command]:
    secret = lab.database.secret()
    source = (
        f"postgresql://{secret['username']}:{quote(str(secret['password']), safe='')}"
        f"@{secret['host']}:{secret['port']}/{secret['dbname']}"
    )
    variables = {
        "BENCH_SOURCE": source,
        "BENCH_JDBC": f"jdbc:postgresql://{secret['host']}:{secret['port']}/{secret['dbname']}",
        "BENCH_USER": str(secret["username"]),
        "BENCH_PASSWORD": str(secret["password"]),
        "BENCH_TABLE": TABLE,
        "BENCH_SPLIT": SPLIT_COLUMN,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "INGESTR_DISABLE_TELEMETRY": "true",
    }

    def command(number: int) -> Command:
        python = lab.tools.spark_python if script == "spark_jdbc" else environment("bench")
        target = {"BENCH_TARGET": f"s3://{BUCKET}/{name}/{number}"}
        return [str(python), str(PEERS / f"{script}.py")], {**variables, **target}

    return command


def ingestr(lab: Lab) -> Callable[[int], Command]:
    variables = peer(lab, "ingestr", "")

    def command(number: int) -> Command:
        _, added = variables(number)
        target = f"s3://?access_key_id=test&secret_access_key=test&endpoint_url={lab.endpoint}"
        words = [
            str(environment("bench-ingestr", "3.11").parent / "ingestr"),
            "ingest",
            "--yes",
            f"--source-uri={added['BENCH_SOURCE']}",
            f"--source-table={TABLE}",
            f"--dest-uri={target}",
            f"--dest-table={added['BENCH_TARGET'].removeprefix('s3://')}",
            "--loader-file-format=parquet",
            # By default it makes Python objects of every row first, which takes more than twice as long.
            "--sql-backend=connectorx",
        ]
        return words, added

    return command


def environment(name: str, version: str = "3.13") -> Path:
    """The interpreter of an environment of ``requirements/``, made when it is not there."""
    home = load_settings().home
    uv = bootstrap.ensure_uv(home)
    python = bootstrap.ensure_python(version, home, uv)
    return bootstrap.ensure_environment(name, python, bootstrap.REQUIREMENTS / f"{name}.txt", home, uv)


def rows_of_peer(lab: Lab, name: str) -> Callable[[int], int]:
    def count(_: int) -> int:
        with duckdb.connect() as connection:
            folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions" / f"v{duckdb.__version__}"
            connection.execute(f"LOAD '{folder / 'httpfs.duckdb_extension'}'")
            connection.execute(
                f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION '{REGION}', URL_STYLE 'path', "
                f"USE_SSL false, ENDPOINT '{lab.endpoint.removeprefix('http://')}')"
            )
            paths = [
                f"s3://{BUCKET}/{key}"
                for key in lab.objects(BUCKET, f"{name}/")
                if key.endswith(".parquet") and "/_dlt" not in key
            ]
            if not paths:
                return 0
            found = connection.execute("SELECT count(*) FROM read_parquet($1)", [paths]).fetchone()
        return int(found[0]) if found else 0

    return count


def measure(lab: Lab, command: Command) -> Run:
    """Run a process to its end."""
    words, added = command
    load_average, busy = psutil.getloadavg()[0], machine_cpu()
    began = time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=lab.directory,
        env={**lab.environment(), **added},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sampler = Sampler(process.pid)
    sampler.start()
    assert process.stdout is not None
    lines, landed = [], None
    for line in process.stdout:
        lines.append(line)
        if ": landed " in line:
            landed = time.monotonic() - began
    code = process.wait()
    seconds = time.monotonic() - began
    sampler.stop()
    error = "" if code == 0 else "".join(lines)[-2000:] or f"exit code {code}"
    cpu, peak = sampler.cpu_seconds, sampler.peak_bytes / 1e6
    return Run(seconds, cpu, machine_cpu() - busy, peak, landed, error, load_average)


def machine_cpu() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


class Sampler(threading.Thread):
    """Looks at a process and its children until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._cpu: dict[int, float] = {}
        self._process = psutil.Process(pid)
        self._stopped = threading.Event()

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            total = 0
            with suppress(psutil.NoSuchProcess):
                for one in [self._process, *self._process.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        total += one.memory_info().rss
                        times = one.cpu_times()
                        self._cpu[one.pid] = times.user + times.system
            self.peak_bytes = max(self.peak_bytes, total)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def empty(lab: Lab, bucket: str) -> None:
    s3 = lab.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        keys = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
        if keys:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})


def full_table(chosen: Sequence[Contestant], rows: int) -> Table:
    table = Table(title=f"{TABLE}: {rows:,} rows, medians")
    for heading in (
        "",
        "land s",
        "s",
        "rows/s",
        "CPU s",
        "machine CPU s",
        "peak MB",
        "of duckdb",
        "of spark-jdbc",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    references = {name: whole(chosen, name) for name in ("duckdb", "spark-jdbc")}
    for one in chosen:
        good = [run for run in one.runs if not run.error]
        if not good:
            table.add_row(one.name, "failed")
            continue
        seconds = median(run.seconds for run in good)
        landed = median(run.land_seconds if run.land_seconds is not None else run.seconds for run in good)
        table.add_row(
            one.name if len(good) == len(one.runs) else f"{one.name} ({len(one.runs) - len(good)} failed)",
            f"{landed:.1f}",
            f"{seconds:.1f}",
            f"{rows / landed:,.0f}",
            f"{median(run.cpu_seconds for run in good):.1f}",
            f"{median(run.machine_cpu_seconds for run in good):.1f}",
            f"{max(run.peak_mb for run in good):,.0f}",
            *(f"{landed / reference:.2f}" if reference else "" for reference in references.values()),
        )
    return table


def whole(chosen: Sequence[Contestant], name: str) -> float | None:
    seconds = [run.seconds for one in chosen if one.name == name for run in one.runs if not run.error]
    return statistics.median(seconds) if seconds else None


def median(values: Iterator[float] | Sequence[float]) -> float:
    return statistics.median(values)


def compare_incremental(lab: Lab, arguments: argparse.Namespace, console: Console) -> dict[str, list[object]]:
    """The shell engine on the same rows with a time of change: everything, one row in a hundred, nothing.

    What a run costs before it moves a row, its start-up, is that of the same table without rows.
    """
    results: dict[str, list[Run]] = {"start-up": [], "full": [], "1 % changed": [], "nothing changed": []}
    for number in range(arguments.rounds):
        table_id = make_changing(lab, f"{INCREMENTAL}_{number}")
        empty_id = make_changing(lab, f"{INCREMENTAL}_{number}_empty", is_empty=True)
        for name, one, change in (
            ("", empty_id, ""),
            ("start-up", empty_id, ""),
            ("full", table_id, ""),
            ("1 % changed", table_id, "l_orderkey * 7 + l_linenumber"),
            ("nothing changed", table_id, ""),
        ):
            if change:
                lab.execute(
                    f"UPDATE {one} SET l_comment = 'changed', changed_at = timestamptz '2040-01-01Z' "
                    f"+ l_orderkey * interval '1 ms' WHERE ({change}) % 100 = 0",
                )
            run_id = f"{name or 'first'}-{number}".replace(" ", "").replace("%", "")
            run = measure(lab, ([str(lab.tools.shell_python), *lab.words("shell", one, run_id)], {}))
            if run.error:
                raise SystemExit(run.error)
            lab.commit(one, run_id)
            if name:
                results[name].append(run)
                console.log(f"round {number + 1}: {name} {run.seconds:.1f} s")
        lab.execute(f"DROP TABLE {table_id}", f"DROP TABLE {empty_id}")
        empty(lab, RAW)
        empty(lab, CURATED)
    console.print(incremental_table(results))
    return {name: [asdict(run) for run in runs] for name, runs in results.items()}


def make_changing(lab: Lab, name: str, *, is_empty: bool = False) -> str:
    """Make a lineitem with a column that says when a row was changed last; its id."""
    lab.execute(
        f"CREATE TABLE lab.{name} AS SELECT *, timestamptz '2024-01-01Z' "
        f"+ (l_shipdate - DATE '1992-01-01') * interval '1 day' AS changed_at FROM {TABLE}"
        + (" WHERE false" if is_empty else ""),
        f"ALTER TABLE lab.{name} ADD PRIMARY KEY (l_orderkey, l_linenumber)",
        f"CREATE INDEX ON lab.{name} (changed_at)",
        f"ANALYZE lab.{name}",
    )
    structure = json.loads((CHECKOUT / f"fixtures/table_structures/{TABLE}.json").read_text())
    changed_at = {
        "name": "changed_at",
        "source_name": "changed_at",
        "source_type": "timestamp with time zone",
        "type": "timestamptz",
        "nullable": True,
    }
    return lab.declare(
        name,
        load_mode="incremental",
        watermark_column="changed_at",
        key_columns=["l_orderkey", "l_linenumber"],
        structure={"columns": [*structure["columns"], changed_at], "partitions": structure["partitions"]},
    )


def incremental_table(results: Mapping[str, Sequence[Run]]) -> Table:
    table = Table(title="shell, incremental: medians")
    for heading in ("", "s", "beyond start-up", "of full", "CPU s", "peak MB"):
        table.add_column(heading, justify="left" if not heading else "right")
    seconds = {name: median([run.seconds for run in runs]) for name, runs in results.items()}
    start = seconds["start-up"]
    for name, runs in results.items():
        beyond = seconds[name] - start
        table.add_row(
            name,
            f"{seconds[name]:.2f}",
            f"{beyond:.2f}",
            f"{beyond / (seconds['full'] - start):.1%}",
            f"{median([run.cpu_seconds for run in runs]):.1f}",
            f"{max(run.peak_mb for run in runs):,.0f}",
        )
    return table


if __name__ == "__main__":
    main()
