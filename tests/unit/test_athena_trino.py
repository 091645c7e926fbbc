"""Trino beside the compiler: its protocol, its values, its statements, and the server's life."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.planes.athena import statements as st
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.executions import QueryExecution, QueryExecutions
from millpond.planes.athena.files import Linker, link_nothing
from millpond.planes.athena.jobs import Job, Outcome
from millpond.planes.athena.trino import rewriting
from millpond.planes.athena.trino.protocol import Coordinator, ScanLimitExceeded, Statement, TrinoFailed
from millpond.planes.athena.trino.server import TrinoServers
from millpond.planes.athena.trino.values import columns_of, writer
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.trino import INSTALL, INSTALLED, EngineSettings
from millpond.toolchain import ivy, trino


class FakeServer:
    """Answers with given pages, and notes what it was asked."""

    def __init__(self, pages: list[dict[str, Any] | int]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                outer.asked.append((self.command, body, {k.lower(): v for k, v in self.headers.items()}))
                page = outer.pages.pop(0) if self.command != "DELETE" else {}
                self.send_response(page if isinstance(page, int) else 200)
                self.end_headers()
                if isinstance(page, dict) and page:
                    more = {"nextUri": f"{outer.url}/next"} if page.pop("more", False) else {}
                    self.wfile.write(json.dumps({**page, **more}).encode())

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the base

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_rows_come_page_by_page_with_numbers_as_the_server_wrote_them() -> None:
    columns = [{"name": "x", "typeSignature": {"rawType": "double", "arguments": []}}]
    pages: list[dict[str, Any] | int] = [
        {"id": "q1", "stats": {"physicalInputBytes": 0}, "more": True},
        503,
        {"columns": columns, "data": [[1.0e10], [None]], "stats": {"physicalInputBytes": 7}, "more": True},
        {"stats": {"physicalInputBytes": 9}, "updateCount": 2},
    ]
    with FakeServer(pages) as server:
        with Statement(Coordinator(server.url), "SELECT x", "db", session={"a.b": "c"}) as asked:
            rows = list(asked.rows())
        answer = asked.answer
    assert rows == [["10000000000.0"], [None]]
    assert (answer.query_id, answer.scanned_bytes, answer.update_count) == ("q1", 9, 2)
    method, body, headers = server.asked[0]
    assert (method, body) == ("POST", "SELECT x")
    assert headers["x-trino-catalog"] == "awsdatacatalog"
    assert (headers["x-trino-schema"], headers["x-trino-session"]) == ("db", "a.b=c")
    assert [method for method, *_ in server.asked] == ["POST", "GET", "GET", "GET"]


def test_an_error_is_trinos_own_and_says_whose_fault_it_is() -> None:
    error = {"errorName": "DIVISION_BY_ZERO", "message": "Division by zero", "errorType": "USER_ERROR"}
    with FakeServer([{"error": error}]) as server, pytest.raises(TrinoFailed) as raised:
        Statement(Coordinator(server.url), "SELECT 1/0", "").run()
    assert str(raised.value) == "DIVISION_BY_ZERO: Division by zero"
    assert raised.value.is_user_error


def test_a_statement_that_reads_too_much_is_cancelled() -> None:
    page = {"data": [[1]], "stats": {"physicalInputBytes": 11}, "more": True}
    with FakeServer([page]) as server:
        with pytest.raises(ScanLimitExceeded):
            Statement(Coordinator(server.url), "SELECT 1", "", scan_limit=10).run()
        assert [method for method, *_ in server.asked] == ["POST", "DELETE"]


def test_a_statement_that_is_left_is_cancelled() -> None:
    with FakeServer([{"more": True}]) as server:
        with Statement(Coordinator(server.url), "SELECT 1", ""):
            pass
        assert [method for method, *_ in server.asked] == ["POST", "DELETE"]


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    with FakeServer([]) as server:
        gone = server.url
    with pytest.raises(TrinoFailed, match="does not answer"):
        Statement(Coordinator(gone), "SELECT 1", "")


def long(number: int) -> dict[str, Any]:
    return {"kind": "LONG", "value": str(number)}


def of(raw: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"rawType": raw, "arguments": list(arguments)}


def element(signature: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "TYPE", "value": signature}


def member(name: str | None, signature: dict[str, Any]) -> dict[str, Any]:
    field = {"name": name} if name else None
    return {"kind": "NAMED_TYPE", "value": {"fieldName": field, "typeSignature": signature}}


@pytest.mark.parametrize(
    ("signature", "value", "type_", "text"),
    [
        (of("boolean"), True, "boolean", "true"),
        (of("double"), "1.0E10", "double", "1.0E10"),
        (of("double"), "NaN", "double", "NaN"),
        (of("decimal", long(9), long(2)), "1.50", "decimal(9,2)", "1.50"),
        (of("varchar", long(2147483647)), "a", "varchar", "a"),
        (of("varbinary"), "AP8=", "varbinary", "00 ff"),
        (of("timestamp", long(0)), "2020-01-01 00:00:00", "timestamp(0)", "2020-01-01 00:00:00.000"),
        (
            of("timestamp with time zone", long(6)),
            "2020-01-01 00:00:00.123456 UTC",
            "timestamp(6) with time zone",
            "2020-01-01 00:00:00.123456 UTC",
        ),
        (
            of("time with time zone", long(3)),
            "01:02:03.000+02:00",
            "time(3) with time zone",
            "01:02:03.000+02:00",
        ),
        (of("array", element(of("integer"))), ["1", None], "array(integer)", "[1, null]"),
        (
            of("map", element(of("integer")), element(of("varbinary"))),
            {"1": "AA==", "2": None},
            "map(integer, varbinary)",
            "{1=00, 2=null}",
        ),
        (
            of("map", element(of("array", element(of("integer")))), element(of("integer"))),
            {"[1, 2]": "3"},
            "map(array(integer), integer)",
            "{[1, 2]=3}",
        ),
        (
            of("row", member("x", of("integer")), member(None, of("boolean"))),
            ["1", False],
            "row(x integer, boolean)",
            "{x=1, field1=false}",
        ),
        (of("Geometry"), "POINT (1 2)", "Geometry", "POINT (1 2)"),
    ],
)
def test_values_and_types_are_written_as_athena_writes_them(
    signature: dict[str, Any], value: Any, type_: str, text: str
) -> None:
    (column,) = columns_of([{"name": "c", "typeSignature": signature}])
    assert (str(column.type), writer(column.type)(value)) == (type_, text)


def test_a_map_whose_keys_trino_does_not_tell_exactly_is_refused() -> None:
    rows = of("row", member("x", of("integer")))
    signature = of("map", element(rows), element(of("integer")))
    (column,) = columns_of([{"name": "c", "typeSignature": signature}])
    with pytest.raises(NotSupported, match=r"keys are of type row\(x integer\)"):
        writer(column.type)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM system.runtime.queries", "CATALOG_NOT_FOUND"),
        ("SELECT 1 FROM t JOIN awsdatacatalog_iceberg.a.b ON true", "CATALOG_NOT_FOUND"),
        ("SELECT * FROM TABLE(sequence(1, 3))", "NOT_SUPPORTED"),
        ("WITH FUNCTION f() RETURNS int RETURN 1 SELECT f()", "SYNTAX_ERROR"),
    ],
)
def test_what_athena_has_not_does_not_reach_trino(text: str, reason: str) -> None:
    with pytest.raises(QueryFailed) as raised:
        rewriting.check_gate(text)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ' FROM system.x.y' -- FROM system.x.y\nFROM awsdatacatalog.db.t",
        "SELECT system.x FROM db.t AS system",
        "SELECT 'TABLE(' FROM t",
    ],
)
def test_words_that_only_look_like_it_do(text: str) -> None:
    rewriting.check_gate(text)


def test_tables_of_a_statement_are_found_in_its_text() -> None:
    text = (
        'SELECT \' FROM x\' FROM a JOIN "Other".b ON a.x = b.x, awsdatacatalog.d."C" '
        "WHERE x IN (SELECT y FROM e)"
    )
    assert rewriting.tables_named(text, "db") == {("db", "a"), ("other", "b"), ("d", "c"), ("db", "e")}


def created(text: str) -> rewriting.Rewritten:
    statement = st.parse_statement(text)
    assert isinstance(statement, st.CreateTableAs)
    return rewriting.create_table_as(statement, "db", "s3://b/tables/1/")


def test_properties_of_create_table_as_are_rewritten() -> None:
    rewritten = created(
        "CREATE TABLE t WITH (format='ORC', write_compression='ZSTD', partitioned_by=ARRAY['p'], "
        "bucketed_by=ARRAY['a'], bucket_count=2) AS SELECT a, p FROM s WITH NO DATA"
    )
    assert rewritten.sql == (
        'CREATE TABLE "awsdatacatalog"."db"."t" WITH (external_location = \'s3://b/tables/1/\', '
        "format = 'ORC', partitioned_by = ARRAY['p'], bucketed_by = ARRAY['a'], bucket_count = 2) "
        "AS SELECT a, p FROM s WITH NO DATA"
    )
    assert rewritten.session == {"awsdatacatalog.compression_codec": "ZSTD"}


def test_an_iceberg_table_goes_to_the_catalog_that_makes_such() -> None:
    rewritten = created(
        "CREATE TABLE d.t WITH (table_type='ICEBERG', is_external=false, location='s3://b/t/', "
        "partitioning=ARRAY['day(ts)']) AS SELECT now() AS ts"
    )
    assert rewritten.sql.startswith(
        'CREATE TABLE "awsdatacatalog_iceberg"."d"."t" WITH (location = \'s3://b/t\', format = \'PARQUET\', '
        "partitioning = ARRAY['day(ts)']) AS SELECT"
    )


@pytest.mark.parametrize("properties", ["format='ION'", "write_compression='lzo'", "bogus='x'"])
def test_properties_without_a_counterpart_are_refused(properties: str) -> None:
    with pytest.raises(NotSupported):
        created(f"CREATE TABLE t WITH ({properties}) AS SELECT 1 AS a")


def test_unload_makes_a_table_for_its_files() -> None:
    statement = st.parse_statement(
        "UNLOAD (SELECT 1 AS a) TO 's3://b/u/' WITH (format='TEXTFILE', field_delimiter='|', "
        "compression='gzip')"
    )
    assert isinstance(statement, st.Unload)
    rewritten = rewriting.unload(statement, "db", "hidden")
    assert rewritten.sql == (
        'CREATE TABLE "awsdatacatalog"."db"."hidden" WITH (external_location = \'s3://b/u/\', '
        "format = 'TEXTFILE', textfile_field_separator = '|') AS SELECT 1 AS a"
    )


FAKE_JAVA = """#!{python}
import json, re, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
config = next(a for a in sys.argv if a.startswith("-Dconfig=")).partition("=")[2]
port = int(re.search(r"http.port=(\\d+)", open(config).read())[1])
asked = 0
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        self.answer({{"starting": asked < 2}})
    def do_POST(self):
        self.answer({{"id": "q", "stats": {{}}, "data": [[1]]}})
    def answer(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())
    def log_message(self, *_):
        pass
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def context_of(directory: Path) -> PlaneContext:
    python = Path(sys.executable)
    tools = Tools(directory, python, python, python, directory, directory, {})
    return PlaneContext("http://127.0.0.1:1", "eu-west-1", "000000000000", directory / "state", tools)


@contextmanager
def servers_of(tmp_path: Path, **settings: Any) -> Iterator[tuple[TrinoServers, PlaneContext]]:
    home = tmp_path / "trino"
    java = home / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(FAKE_JAVA.format(python=sys.executable))
    java.chmod(0o755)
    (home / INSTALLED).write_text(json.dumps({"java_home": str(home / "java")}))
    context = context_of(tmp_path)
    servers = TrinoServers(EngineSettings("auto", home=home, **settings))
    try:
        yield servers, context
    finally:
        servers.close()


def asks(coordinator: Coordinator) -> bool:
    try:
        return bool(list(Statement(coordinator, "SELECT 1", "").rows()))
    except TrinoFailed:
        return False


def test_a_server_starts_at_first_need_and_is_kept(tmp_path: Path) -> None:
    with servers_of(tmp_path) as (servers, context):
        assert servers.is_there
        with servers.used(context) as first:
            assert asks(first)
        with servers.used(context) as second:
            assert (second, asks(second)) == (first, True)
        with servers.used(context.at("111111111111", "us-east-1")) as other:
            assert other != first
        catalogs = context.state_dir / "athena-trino" / "111111111111-us-east-1" / "catalog"
        text = (catalogs / "awsdatacatalog.properties").read_text()
        assert "hive.metastore.glue.region=us-east-1" in text
        assert "s3.aws-access-key=111111111111" in text
    assert not asks(first)


def test_a_server_without_a_query_is_stopped_and_starts_again(tmp_path: Path) -> None:
    with servers_of(tmp_path, idle_seconds=0.2) as (servers, context):
        with servers.used(context) as first:
            pass
        wait_until("the idle server ends", lambda: not asks(first), 20)
        with servers.used(context) as second:
            assert asks(second)


def test_without_trino_there_is_the_command_that_installs_it(tmp_path: Path) -> None:
    servers = TrinoServers(EngineSettings("trino", home=tmp_path / "nowhere"))
    assert not servers.is_there
    with pytest.raises(QueryFailed, match=INSTALL), servers.used(context_of(tmp_path)):
        pass


def test_a_coordinator_of_ones_own_is_asked_as_it_is(tmp_path: Path) -> None:
    settings = EngineSettings("http://10.0.0.1:8080/", "me")
    servers = TrinoServers(settings)
    with servers.used(context_of(tmp_path)) as coordinator:
        assert coordinator == Coordinator("http://10.0.0.1:8080", "me")
    assert settings.asks_trino_first


class Workers:
    """Answers every job with the next of some outcomes, and keeps the jobs."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.jobs: list[Job] = []
        self.link = link_nothing

    def run(self, work: Callable[[], None]) -> None:
        work()

    def take(self) -> Workers:
        return self

    def release(self, _worker: object) -> None:
        pass

    def answer(self, job: Job, _link: Linker, _seconds: float) -> bool:
        self.jobs.append(job)
        return True

    def outcome(self) -> Outcome:
        return self.outcomes.pop(0)


REFUSED = Outcome("FAILED", "NOT_SUPPORTED: x", is_user_error=True, is_for_trino=True)
ANSWERED = Outcome("SUCCEEDED", engine="trino")


@pytest.mark.parametrize(
    ("engine", "outcomes", "state", "asked"),
    [
        ("auto", [REFUSED], "NOT_SUPPORTED: x; Trino can be asked: millpond trino install", [""]),
        ("duckdb", [REFUSED], "NOT_SUPPORTED: x", [""]),
        ("auto", [Outcome("FAILED", "DIVISION_BY_ZERO")], "DIVISION_BY_ZERO", [""]),
        ("http://c:1", [ANSWERED], "", ["http://c:1"]),
        ("trino", [], "NOT_SUPPORTED: Trino is not installed; next: millpond trino install", []),
    ],
)
def test_who_answers_is_what_the_settings_say(
    tmp_path: Path, engine: str, outcomes: list[Outcome], state: str, asked: list[str]
) -> None:
    workers = Workers(*outcomes)
    servers = TrinoServers(EngineSettings(engine, home=tmp_path / "nowhere"))
    executions = QueryExecutions(workers, servers, context_of(tmp_path), lambda *_: None)  # type: ignore[arg-type]
    job = Job("1", "SELECT 1", "db", "s3://b/1.csv", "s3://b/", {}, "000000000000", "eu-west-1")
    executions.submit(QueryExecution("SELECT 1", st.Query("SELECT"), job, "primary", {}, {}, []))
    assert executions.find("1").describe()["Status"].get("StateChangeReason", "") == state
    assert [job.trino_url for job in workers.jobs] == asked


def test_what_the_compiler_refuses_is_given_to_trino(tmp_path: Path) -> None:
    workers = Workers(REFUSED, ANSWERED)
    with servers_of(tmp_path) as (servers, context):
        executions = QueryExecutions(workers, servers, context, lambda *_: None)  # type: ignore[arg-type]
        job = Job("1", "SELECT 1", "db", "s3://b/1.csv", "s3://b/", {}, "000000000000", "eu-west-1")
        executions.submit(QueryExecution("SELECT 1", st.Query("SELECT"), job, "primary", {}, {}, []))
        assert executions.find("1").state == "SUCCEEDED"
    assert [bool(job.trino_url) for job in workers.jobs] == [False, True]


def test_settings_reach_the_engine_process(tmp_path: Path) -> None:
    settings = EngineSettings("trino", "me", tmp_path, "3g", 60.0)
    assert EngineSettings.from_environment(settings.to_environment()) == settings
    assert not TrinoServers(EngineSettings.from_environment({})).is_there


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Settings]:
    """Whether the repository offers the archive that the lock names, or another one."""

    def offer(is_the_locked_one: bool) -> Settings:
        archive = tmp_path / "offered.tar.gz"
        with tarfile.open(archive, "w:gz") as made:
            for name in ("plugin/bigquery/shared.jar", "lib/azure-x.jar", "lib/a.jar", "bin/x"):
                info = tarfile.TarInfo(f"trino-server-476/{name}")
                info.size = 4
                made.addfile(info, io.BytesIO(b"four"))
            link = tarfile.TarInfo("trino-server-476/plugin/hive/shared.jar")
            link.type, link.linkname = tarfile.LNKTYPE, "trino-server-476/plugin/bigquery/shared.jar"
            made.addfile(link)
        digest = hashlib.sha256(archive.read_bytes() if is_the_locked_one else b"").hexdigest()
        lock = tmp_path / "lock.txt"
        lock.write_text(f"# what\nio.trino:trino-server:476 1 --hash=sha256:{digest}\n")
        monkeypatch.setattr(trino, "LOCK", lock)
        monkeypatch.setattr(trino, "_java", lambda _settings: tmp_path / "java")
        found = trino.components.Component("any", "1", tmp_path)
        monkeypatch.setattr(trino.components, "find_java", lambda _settings: found)
        monkeypatch.setattr(trino.components, "find_spark", lambda _settings: found)

        def retrieve(_: ivy.Ivy, wanted: list[ivy.Artifact], directory: Path) -> None:
            (one,) = wanted
            (directory / one.file_name).write_bytes(archive.read_bytes())

        monkeypatch.setattr(ivy.Ivy, "of", lambda *_: ivy.Ivy(tmp_path, tmp_path))
        monkeypatch.setattr(ivy.Ivy, "retrieve", retrieve)
        return Settings(home=tmp_path / "home")

    return offer


def test_what_is_needed_of_the_archive_is_unpacked(offered: Callable[[bool], Settings]) -> None:
    settings = offered(True)
    assert trino.find_trino(settings) is None
    installed = trino.install_trino(settings)
    jars = {path.relative_to(settings.trino_dir).as_posix() for path in settings.trino_dir.rglob("*.jar")}
    # The one that plug-ins share is in the archive under the name of one that is left out.
    assert jars == {"lib/a.jar", "plugin/hive/shared.jar"}
    assert trino.find_trino(settings) == installed == trino.install_trino(settings)


def test_another_archive_than_the_locked_one_is_not_taken(offered: Callable[[bool], Settings]) -> None:
    settings = offered(False)
    with pytest.raises(MillpondError, match="is not the file that was locked"):
        trino.install_trino(settings)
    assert trino.find_trino(settings) is None


def test_the_archive_is_locked() -> None:
    archive = trino.locked()
    assert archive.artifact.file_name == f"trino-server-{trino.VERSION}.tar.gz"
    assert len(archive.sha256) == 64
