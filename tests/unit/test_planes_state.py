"""What of a plane survives the engine: everything that it keeps, and nothing that is running any more."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from telemetry_fakes import RecordedTelemetry

from millpond.localstack_ext.state.pickling import dumps, install_reducers, loads
from millpond.planes import athena, codebuild, glue
from millpond.planes.athena.executions import QueryExecution
from millpond.planes.athena.jobs import Job
from millpond.planes.athena.statements import parse_statement
from millpond.planes.codebuild.builds import Build, Phase
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.regions import Planes
from millpond.planes.glue.runs import JobRun

ACCOUNT, REGION = "111122223333", "eu-central-1"
# What holds only what is going on, and what anybody can make anew.
PASSING = {
    "AthenaPlane": set[str](),
    "CodeBuildPlane": {"_active"},
    "GluePlane": {"_active"},
    # Another holder's, which keeps it.
    "Crawlers": {"_going", "_tags"},
    "StatisticsRuns": {"_catalog"},
    "Optimizers": {"_catalog"},
    "SchemaRegistry": {"_tags"},
    "UsageProfiles": {"_tags"},
    "NamedQueries": {"_groups"},
    "PreparedStatements": {"_groups"},
    "WorkGroups": {"_catalogs"},
}
PLANES = {"athena": athena.serve, "codebuild": codebuild.serve, "glue": glue.serve}


@pytest.fixture(params=sorted(PLANES))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def planes(service: str, tmp_path: Path) -> Iterator[Planes[Any]]:
    made = made_planes(service, tmp_path)
    yield made
    made.close()


def made_planes(service: str, directory: Path) -> Planes[Any]:
    context = PlaneContext(
        "http://127.0.0.1:1", "eu-west-1", "000000000000", directory, Tools(*[directory] * 6, {})
    )
    serve: Any = PLANES[service]
    made: Planes[Any] = serve(context, RecordedTelemetry(context))
    return made


def containers(holder: Any) -> set[str]:
    """Attributes of a holder that have something in them, now or later."""
    return {
        name
        for name, value in vars(holder).items()
        if isinstance(value, (dict, list, set)) or hasattr(value, "KEPT")
    }


def holders(holder: Any) -> Iterator[Any]:
    yield holder
    for name in holder.KEPT:
        if hasattr(inner := getattr(holder, name), "KEPT"):
            yield from holders(inner)


def test_everything_that_a_plane_holds_is_kept_or_is_only_going_on(planes: Planes[Any]) -> None:
    for holder in holders(planes.of(ACCOUNT, REGION)):
        passing = PASSING.get(type(holder).__name__, set())
        assert containers(holder) - passing == set(holder.KEPT), type(holder).__name__


def fill(service: str, plane: Any) -> None:
    """Something of each kind, and one thing that runs."""
    now = datetime.now(UTC)
    match service:
        case "glue":
            job = {"Name": "j", "Role": "r", "Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/s"}}
            plane.create_job(job)
            plane.create_database({"DatabaseInput": {"Name": "d"}})
            plane.create_trigger({"Name": "t", "Type": "ON_DEMAND", "Actions": [{"JobName": "j"}]})
            target = {"S3Targets": [{"Path": "s3://b/c"}]}
            plane.create_crawler({"Name": "c", "Role": "r", "DatabaseName": "d", "Targets": target})
            plane.create_registry({"RegistryName": "r"})
            made = plane.get_job({"JobName": "j"})["Job"]
            plane._runs["j"] = [JobRun("jr_1", made, {}, {"Timeout": 1}, now)]
        case "athena":
            plane.create_work_group({"Name": "w"})
            own = {"catalog-id": ACCOUNT}
            plane.create_data_catalog({"Name": "c", "Type": "GLUE", "Parameters": own})
            plane.create_named_query({"Name": "q", "Database": "d", "QueryString": "SELECT 1"})
            job_of = Job("q1", "SELECT 1", "d", "s3://b/q1.csv", "s3://b/", {}, ACCOUNT, REGION)
            statement = parse_statement("SELECT 1")
            plane._executions._executions["q1"] = QueryExecution(
                "SELECT 1", statement, job_of, "w", {}, {}, []
            )
        case "codebuild":
            plane.create_project(
                {
                    "name": "pp",
                    "source": {"type": "NO_SOURCE", "buildspec": "version: 0.2"},
                    "artifacts": {"type": "NO_ARTIFACTS"},
                    "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "c"},
                    "serviceRole": "arn:aws:iam::000000000000:role/r",
                }
            )
            config = plane.batch_get_projects({"names": ["pp"]})["projects"][0]
            build = Build("pp:1", "arn", 1, config, {}, now, "me", {}, {})
            build.enter(Phase.BUILD, now)
            plane._builds["pp:1"] = build


def shown(service: str, plane: Any) -> tuple[Any, str]:
    """What there is, and how what was running has ended."""
    match service:
        case "glue":
            run = plane.get_job_run({"JobName": "j", "RunId": "jr_1"})["JobRun"]
            listed = (
                plane.get_jobs({})["Jobs"],
                plane.get_databases({})["DatabaseList"],
                plane.get_triggers({})["Triggers"],
                plane.get_crawlers({})["Crawlers"],
                plane.list_registries({})["Registries"],
            )
            assert all(listed)
            return listed, run["JobRunState"]
        case "athena":
            groups = [group["Name"] for group in plane.list_work_groups({})["WorkGroups"]]
            execution = plane.get_query_execution({"QueryExecutionId": "q1"})["QueryExecution"]
            assert execution["StatementType"] == "DML"
            groups += [
                catalog["CatalogName"] for catalog in plane.list_data_catalogs({})["DataCatalogsSummary"]
            ]
            return groups + plane.list_named_queries({})["NamedQueryIds"], execution["Status"]["State"]
        case _:
            [build] = plane.batch_get_builds({"ids": ["pp:1"]})["builds"]
            assert [phase.get("phaseStatus") for phase in build["phases"]] == ["FAULT", None]
            return plane.list_projects({})["projects"], build["buildStatus"]


ENDED = {"athena": "FAILED", "codebuild": "FAULT", "glue": "FAILED"}


def test_another_engine_has_it_all_and_what_was_running_has_failed(
    service: str, planes: Planes[Any], tmp_path: Path
) -> None:
    fill(service, planes.of(ACCOUNT, REGION))
    install_reducers()
    state = loads(dumps(planes.state()))
    others = made_planes(service, tmp_path / "other")
    others.load(state)
    there, ended = shown(service, others.of(ACCOUNT, REGION))
    assert ended == ENDED[service]
    # The same of the plane itself, whose run, query or build nothing has ended.
    others.load(planes.state())
    assert shown(service, others.of(ACCOUNT, REGION)) == (there, ENDED[service])
    assert there
    others.close()


def test_a_plane_that_is_forgotten_is_as_new(service: str, planes: Planes[Any]) -> None:
    new = pickle.dumps(planes.of(ACCOUNT, REGION) and [len(container) for container in lengths(planes)])
    fill(service, planes.of(ACCOUNT, REGION))
    planes.forget()
    assert planes.state() == {}
    planes.of(ACCOUNT, REGION)
    assert pickle.dumps([len(container) for container in lengths(planes)]) == new


def lengths(planes: Planes[Any]) -> list[Any]:
    return [
        value
        for holder in holders(planes.of(ACCOUNT, REGION))
        for name in holder.KEPT
        if not hasattr(value := getattr(holder, name), "KEPT")
    ]
