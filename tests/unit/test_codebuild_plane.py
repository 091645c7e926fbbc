"""CodeBuild's rules that need no server: phases, variables, projects, pages and what is kept beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telemetry_fakes import RecordedTelemetry

from millpond.localstack_ext.cloudformation.codebuild_project import to_api, to_cloudformation
from millpond.localstack_ext.cloudformation.resources import ip_permission, lifecycle_rule
from millpond.planes.codebuild import CodeBuildPlane, artifacts, builds, environment, reports, runtimes, serve
from millpond.planes.codebuild.builds import Phase, next_phase
from millpond.planes.codebuild.buildspec import parse
from millpond.planes.codebuild.cache import PathCache
from millpond.planes.codebuild.environment import SecretReference, Variable
from millpond.planes.codebuild.exceptions import (
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from millpond.planes.codebuild.sources import GitCredentials
from millpond.planes.common.context import PlaneContext, Tools

PROJECT: dict[str, Any] = {
    "name": "seed",
    "source": {"type": "NO_SOURCE", "buildspec": "version: 0.2"},
    "artifacts": {"type": "NO_ARTIFACTS"},
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "i",
        "computeType": "c",
        "environmentVariables": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    },
    "serviceRole": "arn:aws:iam::000000000000:role/r",
}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[CodeBuildPlane]:
    tools = Tools(*[tmp_path] * 6, {})
    context = PlaneContext("http://127.0.0.1:1", "eu-west-1", "000000000000", tmp_path, tools)
    planes = serve(context, RecordedTelemetry(context))
    yield planes.of(context.account_id, context.region)
    planes.close()


@pytest.mark.parametrize(
    ("phase", "has_failed", "action", "following"),
    [
        (Phase.INSTALL, False, "", Phase.PRE_BUILD),
        (Phase.INSTALL, True, "", Phase.FINALIZING),
        (Phase.PRE_BUILD, True, "", Phase.FINALIZING),
        (Phase.PRE_BUILD, True, "CONTINUE", Phase.BUILD),
        (Phase.BUILD, True, "", Phase.POST_BUILD),
        (Phase.BUILD, True, "ABORT", Phase.FINALIZING),
        (Phase.BUILD, True, "RETRY", Phase.FINALIZING),
        (Phase.POST_BUILD, True, "", Phase.UPLOAD_ARTIFACTS),
        (Phase.UPLOAD_ARTIFACTS, True, "", Phase.FINALIZING),
        (Phase.FINALIZING, True, "", Phase.COMPLETED),
    ],
)
def test_phase_that_follows(phase: Phase, has_failed: bool, action: str, following: Phase) -> None:
    assert next_phase(phase, has_failed=has_failed, action=action) is following


def test_project_variables_win_over_those_of_the_buildspec() -> None:
    spec = parse(
        "version: 0.2\nenv: {variables: {A: spec, C: spec}, parameter-store: {B: /p}}\n"
        "phases: {build: {commands: [a]}}"
    )
    assert {variable.name: variable for variable in environment.wanted(PROJECT, spec)} == {
        "A": Variable("A", "1"),
        "B": Variable("B", "2"),
        "C": Variable("C", "spec"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", SecretReference("id")),
        ("id:key", SecretReference("id", "key")),
        ("id:key:AWSPREVIOUS:v1", SecretReference("id", "key", "AWSPREVIOUS", "v1")),
        ("id::AWSPREVIOUS", SecretReference("id", "", "AWSPREVIOUS")),
        (
            "arn:aws:secretsmanager:eu-west-1:000000000000:secret:id-abc:key",
            SecretReference("arn:aws:secretsmanager:eu-west-1:000000000000:secret:id-abc", "key"),
        ),
    ],
)
def test_secret_reference_has_up_to_four_parts(text: str, expected: SecretReference) -> None:
    assert SecretReference.parse(text) == expected


def test_hidden_values_are_masked_line_by_line() -> None:
    assert environment.masked("key: BEGIN abc END", ["BEGIN abc\nEND", "", "a"]) == "key: *** ***"


@pytest.mark.parametrize(
    ("settings", "name", "key"),
    [
        ({}, "", "seed"),
        ({"path": "a/b/", "namespaceType": "BUILD_ID"}, "", "a/b/U/seed"),
        ({"name": "/"}, "", ""),
        ({"name": "fixed"}, "other", "fixed"),
        ({"name": "fixed", "overrideArtifactName": True}, "other", "other"),
    ],
)
def test_artifact_key_is_path_build_and_name(settings: dict[str, Any], name: str, key: str) -> None:
    assert artifacts.object_key({"name": "seed", "namespaceType": "NONE", **settings}, "U", name) == key


@pytest.mark.parametrize(
    ("wanted", "installed", "matches"),
    [
        ("3.13", "3.13.1", True),
        ("3.1", "3.13.1", False),
        ("3.x", "3.13.1", True),
        ("latest", "1", True),
        ("corretto17", "17.0.9", True),
    ],
)
def test_runtime_version_is_matched_part_by_part(wanted: str, installed: str, matches: bool) -> None:
    assert runtimes.matches(wanted, installed) is matches


def test_junit_file_that_is_none_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<html/>")
    with pytest.raises(reports.UnreadableReport, match="the root element is html"):
        reports.parse_junit([tmp_path / "a.xml"], tmp_path)


def test_a_report_that_declares_entities_is_unreadable(tmp_path: Path) -> None:
    declared = '<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;" classname="c"/></testsuite>'
    (tmp_path / "a.xml").write_text(declared)
    with pytest.raises(reports.UnreadableReport, match="EntitiesForbidden"):
        reports.parse_junit([tmp_path / "a.xml"], tmp_path)


def test_project_has_awss_defaults_and_keeps_what_an_update_leaves_out(plane: CodeBuildPlane) -> None:
    made = plane.create_project({**PROJECT, "tags": [{"key": "k", "value": "v"}]})["project"]
    assert made["arn"] == "arn:aws:codebuild:eu-west-1:000000000000:project/seed"
    assert (made["timeoutInMinutes"], made["queuedTimeoutInMinutes"]) == (60, 480)
    assert made["cache"] == {"type": "NO_CACHE"}
    assert made["environment"]["environmentVariables"][0]["type"] == "PLAINTEXT"
    plane.update_project({"name": "seed", "description": "new"})
    answer = plane.batch_get_projects({"names": ["seed", "none"]})
    assert answer["projectsNotFound"] == ["none"]
    assert (answer["projects"][0]["description"], answer["projects"][0]["tags"]) == ("new", made["tags"])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "-bad"},
        {"timeoutInMinutes": 4},
        {"source": {"type": "GITHUB"}},
        {"source": {"type": "NO_SOURCE"}},
        {"artifacts": {"type": "S3"}},
        {"serviceRole": "role"},
        {"cache": {"type": "LOCAL"}},
        {"environment": {"type": "WINDOWS_CONTAINER", "image": "i", "computeType": "c"}},
        {"secondarySources": [{"type": "GITHUB", "location": "l"}]},
    ],
)
def test_unacceptable_project_is_refused(plane: CodeBuildPlane, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputException):
        plane.create_project({**PROJECT, **change})
    assert plane.list_projects({}) == {"projects": []}


def test_names_that_exist_and_names_that_do_not_have_awss_errors(plane: CodeBuildPlane) -> None:
    plane.create_project(PROJECT)
    with pytest.raises(ResourceAlreadyExistsException):
        plane.create_project(PROJECT)
    for call in (plane.update_project, plane.invalidate_project_cache, plane.start_build):
        with pytest.raises(ResourceNotFoundException):
            call({"name": "none", "projectName": "none"})
    with pytest.raises(InvalidInputException, match="Batch builds are not available"):
        plane.start_build_batch({"projectName": "seed"})
    assert plane.list_build_batches_for_project({"projectName": "seed"}) == {"ids": []}
    with pytest.raises(ResourceNotFoundException):
        plane.stop_build_batch({"id": "seed:none"})
    assert plane.delete_project({"name": "none"}) == {}


def test_overrides_replace_parts_of_the_project(plane: CodeBuildPlane) -> None:
    project = plane.create_project(PROJECT)["project"]
    config = builds.configuration(
        project,
        {
            "buildspecOverride": "other",
            "imageOverride": "image",
            "environmentVariablesOverride": [{"name": "B", "value": "3"}],
            "timeoutInMinutesOverride": 5,
        },
    )
    assert (config["source"]["buildspec"], config["environment"]["image"]) == ("other", "image")
    values = {
        variable["name"]: variable["value"] for variable in config["environment"]["environmentVariables"]
    }
    assert values == {"A": "1", "B": "3"}
    assert config["timeoutInMinutes"] == 5
    assert project["timeoutInMinutes"] == 60
    with pytest.raises(InvalidInputException):
        builds.configuration(project, {"timeoutInMinutesOverride": 1})


def test_lists_come_in_pages_in_either_order(plane: CodeBuildPlane) -> None:
    for number in range(120):
        plane.create_project({**PROJECT, "name": f"p{number:03}"})
    first = plane.list_projects({"sortOrder": "DESCENDING"})
    second = plane.list_projects({"sortOrder": "DESCENDING", "nextToken": first["nextToken"]})
    assert (first["projects"][0], len(first["projects"])) == ("p119", 100)
    assert second == {"projects": [f"p{number:03}" for number in reversed(range(20))]}


def test_token_of_a_source_provider_is_never_shown(plane: CodeBuildPlane) -> None:
    arn = plane.import_source_credentials(
        {"serverType": "GITHUB", "authType": "PERSONAL_ACCESS_TOKEN", "token": "very-secret"}
    )["arn"]
    assert "very-secret" not in str(plane.list_source_credentials({}))
    credentials = plane.git_credentials({"type": "GITHUB", "location": "https://host/repository"})
    assert isinstance(credentials, GitCredentials)
    key, value = credentials.setting("https://host/repository")
    assert key == "credential.https://host.helper"
    assert "very-secret" not in value
    with pytest.raises(ResourceAlreadyExistsException):
        plane.import_source_credentials(
            {"serverType": "GITHUB", "authType": "OAUTH", "token": "t", "shouldOverwrite": False}
        )
    plane.delete_source_credentials({"arn": arn})
    with pytest.raises(ResourceNotFoundException):
        plane.delete_source_credentials({"arn": arn})
    assert plane.list_source_credentials({}) == {"sourceCredentialsInfos": []}


def test_webhook_is_part_of_its_project_without_its_secret(plane: CodeBuildPlane) -> None:
    source = {"type": "GITHUB", "location": "https://host/repository"}
    plane.create_project({**PROJECT, "source": source})
    assert plane.create_webhook({"projectName": "seed", "branchFilter": "main"})["webhook"]["secret"]
    [project] = plane.batch_get_projects({"names": ["seed"]})["projects"]
    assert project["webhook"]["branchFilter"] == "main"
    assert "secret" not in project["webhook"]
    with pytest.raises(ResourceAlreadyExistsException):
        plane.create_webhook({"projectName": "seed"})
    groups = [[{"type": "EVENT", "pattern": "PUSH"}]]
    changed = plane.update_webhook({"projectName": "seed", "filterGroups": groups, "buildType": "BUILD"})
    assert (changed["webhook"]["filterGroups"], "secret" in changed["webhook"]) == (groups, False)
    plane.delete_webhook({"projectName": "seed"})
    with pytest.raises(ResourceNotFoundException):
        plane.delete_webhook({"projectName": "seed"})


def test_source_without_a_provider_has_no_webhook(plane: CodeBuildPlane) -> None:
    plane.create_project(PROJECT)
    with pytest.raises(InvalidInputException, match="not supported for source type NO_SOURCE"):
        plane.create_webhook({"projectName": "seed"})


@pytest.mark.parametrize(
    "request_",
    [
        {"serverType": "SOMEWHERE", "authType": "OAUTH", "token": "t"},
        {"serverType": "GITHUB", "authType": "OAUTH"},
        {"serverType": "BITBUCKET", "authType": "BASIC_AUTH", "token": "t"},
    ],
)
def test_unusable_source_credentials_are_refused(plane: CodeBuildPlane, request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputException):
        plane.import_source_credentials(request_)
    assert plane.list_source_credentials({}) == {"sourceCredentialsInfos": []}


def test_local_cache_keeps_directories_and_gives_way_to_the_source(tmp_path: Path) -> None:
    cache = PathCache({"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}, "p", 0, tmp_path / "cache", None)
    old, new = tmp_path / "old", tmp_path / "new"
    for path, content in (("kept/a", "old"), ("kept/b", "old"), ("single", "old")):
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_text(content)
    (old / "kept/link").symlink_to("/nowhere/else")
    (old / "kept/python").symlink_to(old / "kept/a")
    assert cache.store(old, tmp_path / "home", ["kept", "kept/**/*", "single", "/etc/passwd"]) == 3
    (new / "kept").mkdir(parents=True)
    (new / "kept/a").write_text("new")
    assert PathCache({"type": "NO_CACHE"}, "p", 0, tmp_path / "cache", None).restore(new, new) is False
    assert cache.restore(new, tmp_path / "home")
    assert {path.name: path.read_text() for path in (new / "kept").iterdir() if not path.is_symlink()} == {
        "a": "new",
        "b": "old",
    }
    assert (new / "kept/python").readlink() == old / "kept/a"
    assert not (new / "single").exists()


def test_source_cache_alone_keeps_no_paths(tmp_path: Path) -> None:
    cache = PathCache({"type": "LOCAL", "modes": ["LOCAL_SOURCE_CACHE"]}, "p", 0, tmp_path, None)
    assert not cache.is_enabled


def test_report_group_with_reports_is_only_deleted_with_them(plane: CodeBuildPlane) -> None:
    group = plane.create_report_group({"name": "group", "type": "TEST"})["reportGroup"]
    assert group["exportConfig"] == {"exportConfigType": "NO_EXPORT"}
    build: Any = SimpleNamespace(project_name="seed", number=1, arn="arn")
    report = plane.begin_report(build, group["arn"])
    with pytest.raises(InvalidInputException, match="has reports"):
        plane.delete_report_group({"arn": group["arn"]})
    plane.delete_report_group({"arn": group["arn"], "deleteReports": True})
    assert plane.list_report_groups({})["reportGroups"] == []
    assert plane.batch_get_reports({"reportArns": [report["arn"]]})["reports"] == []


def test_tools_written_before_builds_ran_terraform_are_still_read(tmp_path: Path) -> None:
    old = json.loads(Tools(*[tmp_path] * 6, {}).to_json())
    del old["terraform"], old["terraform_mirror"]
    assert Tools.from_json(json.dumps(old)) == Tools(*[tmp_path] * 6, {})
    new = Tools(*[tmp_path] * 6, {"python3.13": tmp_path}, tmp_path / "terraform", None)
    assert Tools.from_json(new.to_json()) == new


def test_cloudformation_properties_and_api_members_are_the_same_in_both_directions() -> None:
    template = {
        "Name": "seed",
        "Source": {"Type": "NO_SOURCE", "BuildSpec": "x", "GitCloneDepth": "1"},
        "Environment": {"PrivilegedMode": "true", "EnvironmentVariables": [{"Name": "N", "Value": "5"}]},
        "TimeoutInMinutes": "30",
        "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED"}},
    }
    api = to_api(template)
    assert api["source"] == {"type": "NO_SOURCE", "buildspec": "x", "gitCloneDepth": 1}
    assert api["environment"]["privilegedMode"] is True
    assert api["environment"]["environmentVariables"] == [{"name": "N", "value": "5"}]
    assert api["timeoutInMinutes"] == 30
    back = to_cloudformation({**api, "arn": "arn"})
    assert back["Source"]["BuildSpec"] == "x"
    assert (back["Id"], back["Arn"]) == ("seed", "arn")


def test_lifecycle_rules_and_security_group_rules_become_those_of_the_api() -> None:
    assert lifecycle_rule({"Status": "Enabled", "Prefix": "p/", "ExpirationInDays": "3"}) == {
        "Status": "Enabled",
        "Filter": {"Prefix": "p/"},
        "Expiration": {"Days": 3},
    }
    rule = {"IpProtocol": -1, "CidrIp": "0.0.0.0/0", "Description": "all"}
    assert ip_permission(rule) == {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}],
    }
