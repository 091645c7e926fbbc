"""The Lambdas that ask the database, as they are packaged, against a real PostgreSQL and the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from engine_fixtures import RunningEngine, wait_for
from onprem_fixtures import onprem_settings, running_database

from lake import package
from lake.load import put_secret
from millpond.stack.onprem import OnPremDatabase

SECRET = "millpond/dev/onprem-db"


@dataclass(frozen=True)
class Site:
    """A database, an engine, and the functions as a build makes them."""

    database: OnPremDatabase
    engine: RunningEngine
    zips: Path

    def client(self, service: str) -> Any:
        return self.engine.client(service)

    def deploy(self, name: str, **environment: str) -> str:
        """Make a function of the packaged zip; its ARN."""
        awslambda = self.client("lambda")
        made = awslambda.create_function(
            FunctionName=name,
            Role=self.engine.role(),
            Handler="handler.handler",
            Runtime="python3.13",
            Timeout=60,
            Code={"ZipFile": (self.zips / f"lambdas/{name}.zip").read_bytes()},
            Environment={"Variables": environment},
        )
        awslambda.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return str(made["FunctionArn"])

    def call(self, name: str, event: Any) -> Any:
        """The answer of a function, or what it raised."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def execute(self, *statements: str) -> None:
        with self.database.connection() as connection:
            for statement in statements:
                connection.execute(statement)

    def secret(self, stage: str = "AWSCURRENT") -> dict[str, Any]:
        answer = self.client("secretsmanager").get_secret_value(SecretId=SECRET, VersionStage=stage)
        return dict(json.loads(answer["SecretString"]))

    def stages(self) -> dict[str, str]:
        described = self.client("secretsmanager").describe_secret(SecretId=SECRET)
        return {stage: name for name, stages in described["VersionIdsToStages"].items() for stage in stages}

    def signs_in(self, password: str) -> bool:
        secret = self.database.secret()
        try:
            psycopg.connect(
                host=str(secret["host"]),
                port=int(secret["port"]),
                dbname=str(secret["dbname"]),
                user=str(secret["username"]),
                password=password,
            ).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, running_engine: RunningEngine) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with running_database(onprem_settings(directory)) as database:
        package.build(directory / "dist")
        site = Site(database, running_engine, directory / "dist")
        site.execute("ALTER ROLE ingest SET log_statement = 'all'")
        site.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(database.secret()))
        yield site


@pytest.fixture(scope="module")
def rotating(site: Site) -> Site:
    """The site with a rotation that is configured, tested, and not begun."""
    arn = site.deploy("rotate")
    with pytest.raises(site.client("secretsmanager").exceptions.ClientError, match="AccessDenied"):
        site.client("secretsmanager").rotate_secret(SecretId=SECRET, RotationLambdaARN=arn)
    site.client("lambda").add_permission(
        FunctionName="rotate",
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    before = site.stages()
    site.client("secretsmanager").rotate_secret(
        SecretId=SECRET,
        RotationLambdaARN=arn,
        RotationRules={"AutomaticallyAfterDays": 30},
        RotateImmediately=False,
    )
    wait_for("end of the test of the configuration", lambda: site.stages() == before)
    return site


def rotate(site: Site) -> str:
    """Rotate to the end; the version that is current then."""
    version = site.client("secretsmanager").rotate_secret(SecretId=SECRET)["VersionId"]
    wait_for("rotation", lambda: site.stages().get("AWSCURRENT") == version)
    return str(version)


def test_a_rotation_gives_the_database_the_password_that_the_secret_then_holds(rotating: Site) -> None:
    old = rotating.secret()

    rotate(rotating)

    new = rotating.secret()
    assert new["password"] != old["password"]
    assert {**new, "password": ""} == {**old, "password": ""}
    assert rotating.signs_in(new["password"])
    assert not rotating.signs_in(old["password"])
    assert rotating.secret("AWSPREVIOUS") == old


def test_no_statement_that_the_database_logs_holds_a_password(rotating: Site) -> None:
    rotate(rotating)

    log = rotating.database.log_file.read_text()
    assert "ALTER ROLE" in log
    assert "SCRAM-SHA-256$4096:" in log
    assert rotating.secret()["password"] not in log


def test_each_step_may_be_called_again(rotating: Site) -> None:
    """As Secrets Manager does when it did not hear of the first call's end."""
    client = rotating.client("secretsmanager")
    version = "11111111-2222-3333-4444-555555555555"
    client.put_secret_value(
        SecretId=SECRET,
        ClientRequestToken=version,
        SecretString=json.dumps({**rotating.secret(), "password": "next-password"}),
        VersionStages=["AWSPENDING"],
    )
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        event = {"Step": step, "SecretId": SECRET, "ClientRequestToken": version}
        assert [rotating.call("rotate", event) for _ in range(2)] == [None, None], step

    assert rotating.secret()["password"] == "next-password"
    assert rotating.signs_in("next-password")


def test_a_rotation_that_was_interrupted_is_finished_by_the_next_one(rotating: Site) -> None:
    client = rotating.client("secretsmanager")
    rotating.execute("ALTER ROLE ingest NOLOGIN")
    version = client.rotate_secret(SecretId=SECRET)["VersionId"]
    wait_for("failure", lambda: "setSecret failed" in rotating.engine.engine.log_file.read_text())
    assert rotating.stages()["AWSPENDING"] == version
    rotating.execute("ALTER ROLE ingest LOGIN")

    with pytest.raises(client.exceptions.InvalidRequestException, match="will be reattempted"):
        client.rotate_secret(SecretId=SECRET)

    wait_for("rotation", lambda: rotating.stages().get("AWSCURRENT") == version)
    assert rotating.signs_in(rotating.secret()["password"])


def test_loading_again_leaves_a_rotated_secret_alone(rotating: Site) -> None:
    rotate(rotating)
    rotated = rotating.secret()
    rotating.database.start()

    was_put = put_secret(
        rotating.engine.settings, rotating.client("secretsmanager"), rotating.database.secret()
    )

    assert not was_put
    assert rotating.secret() == rotated
    assert rotating.signs_in(rotated["password"])


def test_a_version_that_is_not_pending_is_not_rotated(rotating: Site) -> None:
    event = {"Step": "createSecret", "SecretId": SECRET, "ClientRequestToken": "0" * 32}

    answer = rotating.call("rotate", event)

    assert answer["errorType"] == "NotRotatingError"
