"""The pytest plug-in: a stack for a test session, and what a test does with it."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    import psycopg

    from millpond.base.config import Settings
    from millpond.client.aws import Aws
    from millpond.client.query import QueryResult
    from millpond.testing.jobs import GlueJobRun

HELP = "What the stack of the fixture millpond_stack is made of: embedded or compose (in containers)."


class AwsClients(Protocol):
    """Makes a boto3 client of the stack."""

    def __call__(self, service: str) -> Any: ...


class RunGlueJob(Protocol):
    """Runs a script as a Glue job; see :func:`millpond.testing.jobs.run_glue_job`."""

    def __call__(
        self,
        script: str | Path,
        arguments: Mapping[str, str] | None = None,
        *,
        command: str = "glueetl",
        timeout: float = 600.0,
        **settings: Any,
    ) -> GlueJobRun: ...


class QueryAthena(Protocol):
    """Asks Athena; see :func:`millpond.client.query.run_query`."""

    def __call__(self, sql: str) -> QueryResult: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--millpond-tier`` and the setting ``millpond_tier``."""
    parser.addoption("--millpond-tier", choices=["embedded", "compose"], help=HELP)
    parser.addini("millpond_tier", HELP, default="")


@pytest.fixture(scope="session")
def millpond_stack(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A stack of its own for the session, on free ports; its settings."""
    from millpond.base.config import Settings

    tier = request.config.getoption("--millpond-tier") or request.config.getini("millpond_tier")
    chosen = {"tier": tier} if tier else {}
    with tempfile.TemporaryDirectory(prefix="millpond-") as directory:
        settings = Settings(
            state_dir=Path(directory), gateway_port=_free_port(), onprem_port=_free_port(), **chosen
        )
        if not settings.has_onprem:
            settings = settings.model_copy(update={"onprem": settings.onprem})
        if settings.tier == "compose":
            from millpond.testing.containers import ContainerStack

            with ContainerStack(settings) as stack:
                yield stack.settings
            return
        from millpond.stack.embedded import EmbeddedStack
        from millpond.toolchain import components as toolchain

        embedded = EmbeddedStack(settings, toolchain.ensure(settings).tools_file)
        embedded.up()
        try:
            yield settings
        finally:
            embedded.down()


@pytest.fixture(scope="session")
def _millpond_aws(millpond_stack: Settings) -> Aws:
    from millpond.client.aws import Aws

    return Aws(millpond_stack)


@pytest.fixture(scope="session")
def aws_clients(_millpond_aws: Aws) -> AwsClients:
    """Makes boto3 clients: ``aws_clients("s3")``."""
    return _millpond_aws.client


@pytest.fixture
def onprem_db(millpond_stack: Settings) -> Iterator[psycopg.Connection]:
    """A connection to the on-premises database as its administrator; what a test leaves open is undone."""
    from millpond.stack.onprem import OnPremDatabase

    with closing(OnPremDatabase(millpond_stack).connection()) as connection:
        yield connection


@pytest.fixture(scope="session")
def glue_job_run(_millpond_aws: Aws) -> RunGlueJob:
    """Runs a script as a Glue job: ``glue_job_run("job.py", {"--day": "2024-05-31"}).state``."""
    from millpond.testing.jobs import run_glue_job

    def run(
        script: str | Path,
        arguments: Mapping[str, str] | None = None,
        *,
        command: str = "glueetl",
        timeout: float = 600.0,
        **settings: Any,
    ) -> GlueJobRun:
        return run_glue_job(
            _millpond_aws,
            Path(script),
            arguments=arguments or {},
            command=command,
            settings=settings,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def athena_query(_millpond_aws: Aws) -> QueryAthena:
    """Asks Athena: ``athena_query("select count(*) from sales.orders").rows``."""
    from millpond.client.query import run_query
    from millpond.testing.jobs import make_bucket

    workgroup, bucket = "millpond-testing", "millpond-testing-results"
    make_bucket(_millpond_aws, bucket)
    _millpond_aws.athena.create_work_group(
        Name=workgroup,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/"}},
    )
    return lambda sql: run_query(_millpond_aws.athena, sql, workgroup=workgroup)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
