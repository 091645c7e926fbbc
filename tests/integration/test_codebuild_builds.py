"""Builds that really run, on a real engine."""

from __future__ import annotations

import gzip
import io
import json
import os
import pwd
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from archives import zipped
from codebuild_fixtures import (
    CodeBuild,
    commit,
    contexts,
    git,
    git_repository,
    outcome,
    own_plane,
    phases,
)
from engine_fixtures import RunningEngine, wait_for

from millpond.base import landlock
from millpond.planes.codebuild import CodeBuildPlane, CodeBuildSettings


@pytest.fixture(scope="module")
def codebuild(running_engine: RunningEngine) -> CodeBuild:
    return CodeBuild(running_engine)


def spec(**commands: list[str]) -> str:
    """A buildspec of these commands, phase by phase."""
    return json.dumps(
        {"version": "0.2", "phases": {name: {"commands": one} for name, one in commands.items()}}
    )


def test_successful_build_passes_every_phase_in_order(codebuild: CodeBuild) -> None:
    build = codebuild.run("good", spec(build=["echo hello"]))
    assert build["buildStatus"] == "SUCCEEDED"
    assert phases(build) == {
        **dict.fromkeys(
            [
                "SUBMITTED",
                "QUEUED",
                "PROVISIONING",
                "DOWNLOAD_SOURCE",
                "INSTALL",
                "PRE_BUILD",
                "BUILD",
                "POST_BUILD",
                "UPLOAD_ARTIFACTS",
                "FINALIZING",
            ],
            "SUCCEEDED",
        ),
        "COMPLETED": "",
    }
    assert build["logs"]["groupName"] == "/aws/codebuild/good"
    assert build["id"] == f"good:{build['logs']['streamName']}"
    assert codebuild.printed(build) == ["hello"]
    assert any(line.endswith("Running command echo hello") for line in codebuild.log(build))


def test_failed_command_fails_the_build_and_post_build_still_runs(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "bad",
        spec(build=["exit 3", "echo never"], post_build=["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"]),
    )
    assert build["buildStatus"] == "FAILED"
    assert contexts(build, "BUILD") == [
        ("COMMAND_EXECUTION_ERROR", "Error while executing command: exit 3. Reason: exit status 3")
    ]
    assert phases(build)["POST_BUILD"] == "SUCCEEDED"
    assert codebuild.printed(build) == ["succeeding=0"]


def test_failure_before_the_build_phase_runs_nothing_after_it(codebuild: CodeBuild) -> None:
    build = codebuild.run("early", spec(pre_build=["false"], build=["echo no"], post_build=["echo no"]))
    assert list(phases(build))[4:] == ["INSTALL", "PRE_BUILD", "FINALIZING", "COMPLETED"]
    assert codebuild.printed(build) == []


def test_on_failure_and_finally_are_followed(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "clauses",
        """
version: 0.2
phases:
  pre_build: {on-failure: CONTINUE, commands: ["false"], finally: ["echo cleaned"]}
  build: {on-failure: ABORT, commands: ["echo built", "exit 1"]}
  post_build: {commands: ["echo no"]}
""",
    )
    assert codebuild.printed(build) == ["cleaned", "built"]
    assert "POST_BUILD" not in phases(build)
    assert build["buildStatus"] == "FAILED"


def test_on_failure_continue_runs_all_phases_and_the_build_fails_all_the_same(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "continued",
        """
version: 0.2
phases:
  install: {on-failure: CONTINUE, commands: ["exit 1", "echo no"]}
  build: {commands: ["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"]}
""",
    )
    assert codebuild.printed(build) == ["succeeding=0"]
    assert [phase for phase, status in phases(build).items() if status == "FAILED"] == ["INSTALL"]
    assert build["buildStatus"] == "FAILED"


def test_on_failure_retry_builds_again_while_the_message_matches(codebuild: CodeBuild) -> None:
    text = "version: 0.2\nphases: {build: {on-failure: RETRY-%s, commands: [exit 7]}}\n"
    first_id = codebuild.start(codebuild.project("retried", text % "1-exit status 7"), sourceVersion="v")

    def followed() -> str | None:
        return str(codebuild.get(first_id)["autoRetryConfig"].get("nextAutoRetry") or "")

    second = codebuild.ended(wait_for("second build", followed))
    first = codebuild.get(first_id)
    assert first["buildStatus"] == "FAILED"
    assert list(phases(first))[-3:] == ["BUILD", "FINALIZING", "COMPLETED"]
    assert (second["buildNumber"], second["sourceVersion"]) == (2, "v")
    assert second["autoRetryConfig"] == {
        "autoRetryLimit": 1,
        "autoRetryNumber": 1,
        "previousAutoRetry": first["arn"],
    }
    other = codebuild.run("not-retried", text % "exit status 3")
    # A retry would have taken its number before this build could.
    again = codebuild.client.retry_build(id=other["id"], idempotencyToken="t")["build"]
    assert codebuild.client.retry_build(id=other["id"], idempotencyToken="t")["build"]["id"] == again["id"]
    assert codebuild.ended(again["id"])["buildNumber"] == 2
    assert codebuild.client.list_builds_for_project(projectName="retried")["ids"] == [second["id"], first_id]


def test_log_is_kept_in_s3_without_secrets_even_of_a_stopped_build(codebuild: CodeBuild) -> None:
    s3 = bucket(codebuild, "build-logs")
    logs = {
        "cloudWatchLogs": {"status": "DISABLED"},
        "s3Logs": {"status": "ENABLED", "location": "build-logs/some/where"},
    }
    codebuild.engine.client("ssm").put_parameter(Name="/l/p", Value="hidden-value", Type="SecureString")
    project = codebuild.project(
        "s3-logs",
        spec(build=["echo begin $P", 'until [ -n "$END" ]; do sleep 0.1; done'], post_build=["echo end"]),
        logsConfig=logs,
        variables={"P": {"name": "P", "value": "/l/p", "type": "PARAMETER_STORE"}},
    )
    yes = [{"name": "END", "value": "1"}]
    whole = codebuild.ended(codebuild.start(project, environmentVariablesOverride=yes))
    stopped_id = codebuild.start(project)
    wait_for("commands", lambda: codebuild.get(stopped_id)["currentPhase"] == "BUILD")
    codebuild.client.stop_build(id=stopped_id)
    stopped = codebuild.ended(stopped_id)
    texts = []
    for build in (whole, stopped):
        key = f"some/where/{build['id'].partition(':')[2]}.gz"
        assert build["logs"]["s3LogsArn"] == f"arn:aws:s3:::build-logs/{key}"
        texts.append(gzip.decompress(s3.get_object(Bucket="build-logs", Key=key)["Body"].read()).decode())
    assert "\nbegin ***\n" in texts[0]
    assert "\nend\n" in texts[0]
    assert "Phase complete: BUILD State: STOPPED" in texts[1]
    assert "groupName" not in whole["logs"]
    lost = {**logs, "s3Logs": {"status": "ENABLED", "location": "no-such-bucket"}}
    failed = codebuild.ended(
        codebuild.start(project, logsConfigOverride=lost, environmentVariablesOverride=yes)
    )
    assert failed["buildStatus"] == "FAILED"
    assert "NoSuchBucket" in contexts(failed, "FINALIZING")[0][1]


def test_runtime_version_that_is_there_is_what_the_commands_find(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "runtime-good",
        "version: 0.2\nphases:\n  install: {runtime-versions: {python: 3.13}}\n"
        "  build: {commands: [python --version, python3 --version]}\n",
    )
    assert [line.rpartition(".")[0] for line in codebuild.printed(build)] == ["Python 3.13"] * 2


def test_the_command_line_of_aws_is_there_and_has_the_role_of_the_build(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "command-line",
        "version: 0.2\nphases:\n  build:\n    commands:\n"
        "      - aws sts get-caller-identity --query Arn --output text\n",
    )
    (arn,) = codebuild.printed(build)
    assert ":assumed-role/" in arn
    assert arn.endswith(f"/AWSCodeBuild-{build['id'].partition(':')[2]}")


def test_variables_directory_and_functions_last_from_command_to_command(codebuild: CodeBuild) -> None:
    build = codebuild.run(
        "lasting",
        """
version: 0.2
env:
  shell: bash
  variables: {GREETING: hello, QUOTED: "it's $5"}
  exported-variables: [RESULT, GREETING]
phases:
  install: {commands: ["export GREETING=hej", "PLAIN=kept", "mkdir sub; cd sub", "say() { echo said; }"]}
  build:
    commands:
      - echo $GREETING $PLAIN $(basename $PWD) "$QUOTED"
      - say
      - |
        set -e
        export RESULT="two
        lines"
        exit 0
  post_build: {commands: ["echo $RESULT"]}
""",
    )
    printed = codebuild.printed(build)
    assert (printed[:2], printed[-1]) == (["hej kept sub it's $5", "said"], "two lines")
    assert build["exportedEnvironmentVariables"] == [
        {"name": "RESULT", "value": "two\nlines"},
        {"name": "GREETING", "value": "hej"},
    ]


def test_parameters_and_secrets_reach_the_build_and_no_log(codebuild: CodeBuild) -> None:
    codebuild.engine.client("ssm").put_parameter(Name="/b/p", Value="from-ssm", Type="SecureString")
    codebuild.engine.client("secretsmanager").create_secret(
        Name="b/s", SecretString=json.dumps({"user": "ann", "password": "pass-word"})
    )
    build = codebuild.run(
        "secrets",
        """
version: 0.2
env:
  parameter-store: {P: /b/p}
  secrets-manager: {S: "b/s:password"}
phases: {build: {commands: ['test "$P$S$U" = from-ssmpass-wordann && echo right', 'echo $P $S']}}
""",
        variables={"U": {"name": "U", "value": "b/s:user:AWSCURRENT", "type": "SECRETS_MANAGER"}},
    )
    assert codebuild.printed(build) == ["right", "*** ***"]
    missing = codebuild.run(
        "no-secret",
        json.dumps(
            {
                "version": "0.2",
                "env": {"parameter-store": {"P": "/b/none"}},
                "phases": {"build": {"commands": ["echo"]}},
            }
        ),
    )
    assert contexts(missing, "DOWNLOAD_SOURCE") == [
        ("Decrypted Variables Error", "parameter does not exist: /b/none")
    ]


def test_build_acts_as_its_role_and_sees_nothing_of_the_engine(codebuild: CodeBuild) -> None:
    build = codebuild.run("role", spec(build=["env | cut -d= -f1 | sort | tr '\\n' ' '", "echo $HOME $PATH"]))
    names, paths = codebuild.printed(build)
    assert {"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "CODEBUILD_BUILD_ARN"} <= set(names.split())
    assert [name for name in names.split() if name.startswith(("MILLPOND", "PYTHON", "LOCALSTACK"))] == []
    home, path = paths.split()
    assert home.endswith("/home")
    assert path.split(":")[1:] == [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]


def test_a_build_sees_neither_the_home_nor_the_state_of_others(
    running_engine: RunningEngine, codebuild: CodeBuild
) -> None:
    places = (Path("~").expanduser(), running_engine.settings.state, "/usr")
    look = [f"if ls {place} > /dev/null 2>&1; then echo seen; else echo denied; fi" for place in places]
    fenced = "denied" if landlock.version() else "seen"
    assert codebuild.printed(codebuild.run("fenced", spec(build=look)))[-3:] == [fenced, fenced, "seen"]


def test_run_as_is_accepted_for_the_own_user_and_refused_for_one_that_is_not_there(
    codebuild: CodeBuild,
) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    good = codebuild.run("run-as", f"version: 0.2\nrun-as: {me}\nphases: {{build: {{commands: [id -un]}}}}\n")
    assert codebuild.printed(good) == [me]
    bad = codebuild.run("run-no", "version: 0.2\nrun-as: nemo\nphases: {build: {commands: [id -un]}}\n")
    assert contexts(bad, "DOWNLOAD_SOURCE") == [
        ("CLIENT_ERROR", "run-as: there is no user nemo on this machine")
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run commands as somebody else")
def test_run_as_of_a_phase_wins_over_that_of_the_build(
    running_engine: RunningEngine, codebuild: CodeBuild
) -> None:
    text = """
version: 0.2
run-as: nobody
phases:
  install: {run-as: root, commands: ['test "$(id -un)" = root', "mkdir sub; cd sub; export KEPT=1"]}
  build: {commands: ['test "$(id -un) $KEPT $(basename $PWD)" = "nobody 1 sub"', "touch there $HOME/x"]}
  post_build: {run-as: root, commands: ['test "$(id -un) $(stat -c %U there)" = "root nobody"']}
"""
    with tempfile.TemporaryDirectory() as directory:
        # pytest's own directories are closed to other users.
        Path(directory).chmod(0o711)
        with own_plane(running_engine, Path(directory)) as plane:
            build = outcome(plane, planned(plane, codebuild, "as-nobody", text))
    assert build["buildStatus"] == "SUCCEEDED", build["phases"]


def test_role_that_does_not_exist_fails_provisioning(codebuild: CodeBuild) -> None:
    build = codebuild.run("norole", spec(build=["echo"]), serviceRole="arn:aws:iam::000000000000:role/none")
    assert phases(build)["PROVISIONING"] == "FAILED"
    assert "sts:AssumeRole" in contexts(build, "PROVISIONING")[0][1]


def test_git_source_is_checked_out_at_branch_tag_commit_and_depth(
    codebuild: CodeBuild, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    first = git_repository(
        repository, {"buildspec.yml": spec(build=["cat file", "git rev-list --count HEAD"])}
    )
    (repository / "file").write_text("one\n")
    second = commit(repository, "second")
    git(repository, "tag", "v1")
    git(repository, "checkout", "-q", "-b", "topic")
    (repository / "file").write_text("two\n")
    third = commit(repository, "third")
    git(repository, "checkout", "-q", "main")
    source = {"type": "GITHUB", "location": repository.as_uri()}
    project = codebuild.project("git", "", source=source)
    outcomes = {}
    for version in ("", "topic", "v1", second):
        build = codebuild.ended(codebuild.start(project, **({"sourceVersion": version} if version else {})))
        outcomes[version] = (build["resolvedSourceVersion"], codebuild.printed(build))
    assert outcomes == {
        "": (second, ["one", "2"]),
        "topic": (third, ["two", "3"]),
        "v1": (second, ["one", "2"]),
        second: (second, ["one", "2"]),
    }
    shallow = codebuild.ended(codebuild.start(project, sourceVersion="topic", gitCloneDepthOverride=1))
    assert codebuild.printed(shallow) == ["two", "1"]
    failed = codebuild.ended(codebuild.start(project, sourceVersion=first))
    assert contexts(failed, "BUILD")[0][0] == "COMMAND_EXECUTION_ERROR"
    unknown = codebuild.ended(codebuild.start(project, sourceVersion="nowhere"))
    assert contexts(unknown, "DOWNLOAD_SOURCE") == [
        ("CLIENT_ERROR", "reference not found for primary source and source version nowhere")
    ]
    lost = codebuild.ended(codebuild.start(project, sourceLocationOverride=(tmp_path / "none").as_uri()))
    assert contexts(lost, "DOWNLOAD_SOURCE")[0][0] == "CLIENT_ERROR"


def test_secondary_sources_and_s3_sources_lie_where_the_variables_say(
    codebuild: CodeBuild, tmp_path: Path
) -> None:
    git_repository(tmp_path / "second", {"name": "from git"})
    s3 = bucket(codebuild, "sources")
    s3.put_object(Bucket="sources", Key="code.zip", Body=zipped({"ci/spec.yml": spec(build=["cat $FILE"])}))
    project = codebuild.project(
        "many",
        "",
        source={"type": "S3", "location": "sources/code.zip", "buildspec": "ci/spec.yml"},
        secondarySources=[
            {
                "type": "CODECOMMIT",
                "location": str(tmp_path / "second"),
                "sourceIdentifier": "other",
            }
        ],
        variables={"FILE": "ci/spec.yml"},
    )
    override = spec(build=["ls $CODEBUILD_SRC_DIR", "cat $CODEBUILD_SRC_DIR_other/name"])
    build = codebuild.ended(codebuild.start(project, buildspecOverride=override))
    assert codebuild.printed(build) == ["ci", "from git"]
    assert codebuild.ended(codebuild.start(project))["buildStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("name", "buildspec", "words"),
    [
        ("syntax", "version: 0.2\nphases: [", "YAML file is not valid"),
        ("version", "version: 9\nphases: {build: {commands: [a]}}\n", "invalid buildspec version '9'"),
        ("phase", "version: 0.2\nphases: {prebuild: {commands: [a]}}\n", "unknown phase 'prebuild'"),
        (
            "runtime",
            "version: 0.2\nphases: {install: {runtime-versions: {python: 2.6}}}\n",
            "Unknown runtime version named '2.6' of python",
        ),
    ],
)
def test_unusable_buildspec_fails_with_yaml_file_error(
    codebuild: CodeBuild, name: str, buildspec: str, words: str
) -> None:
    build = codebuild.run(f"yaml-{name}", buildspec)
    [(code, message)] = contexts(build, "DOWNLOAD_SOURCE")
    assert code == "YAML_FILE_ERROR"
    assert words in message


def test_artifacts_and_reports_are_uploaded(codebuild: CodeBuild) -> None:
    s3 = bucket(codebuild, "artifacts")
    build = codebuild.run(
        "artifacts",
        """
version: 0.2
phases:
  build:
    commands:
      - mkdir -p out/deep; echo a > out/a.txt; echo b > out/deep/b.txt; echo c > out/c.log
      - >-
        echo '<testsuite name="s"><testcase classname="k" name="ok" time="0.5"/>
        <testcase classname="k" name="no"><failure message="broken"/></testcase></testsuite>' > junit.xml
artifacts:
  base-directory: out
  files: ["**/*"]
  exclude-paths: ["**/*.log"]
  name: built-$CODEBUILD_BUILD_NUMBER.zip
  secondary-artifacts:
    flat: {files: ["out/**/*.txt"], discard-paths: yes}
reports:
  unit: {files: [junit.xml]}
""",
        artifacts={
            "type": "S3",
            "location": "artifacts",
            "path": "p",
            "packaging": "ZIP",
            "namespaceType": "BUILD_ID",
            "overrideArtifactName": True,
        },
        secondaryArtifacts=[
            {"type": "S3", "location": "artifacts", "name": "flat", "artifactIdentifier": "flat"}
        ],
    )
    assert build["buildStatus"] == "SUCCEEDED", codebuild.log(build)
    key = f"p/{build['id'].partition(':')[2]}/built-1.zip"
    assert build["artifacts"]["location"] == f"arn:aws:s3:::artifacts/{key}"
    with zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket="artifacts", Key=key)["Body"].read())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"a\n",
            "deep/b.txt": b"b\n",
        }
    listed = s3.list_objects_v2(Bucket="artifacts", Prefix="flat/")["Contents"]
    assert [one["Key"] for one in listed] == ["flat/a.txt", "flat/b.txt"]

    [report] = codebuild.client.batch_get_reports(reportArns=build["reportArns"])["reports"]
    assert (report["status"], report["testSummary"]["total"]) == ("FAILED", 2)
    assert report["testSummary"]["statusCounts"]["FAILED"] == 1
    cases = codebuild.client.describe_test_cases(reportArn=report["arn"])["testCases"]
    assert [(one["name"], one["status"], one["message"]) for one in cases] == [
        ("ok", "SUCCEEDED", ""),
        ("no", "FAILED", "broken"),
    ]
    groups = codebuild.client.batch_get_report_groups(reportGroupArns=[report["reportGroupArn"]])
    assert groups["reportGroups"][0]["name"] == "artifacts-unit"


@pytest.mark.parametrize("kind", ["S3", "LOCAL"])
def test_cached_paths_are_there_in_the_next_build_until_invalidated(codebuild: CodeBuild, kind: str) -> None:
    bucket(codebuild, "caches")
    settings = {
        "S3": {"type": "S3", "location": "caches/prefix"},
        "LOCAL": {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]},
    }
    buildspec = """
version: 0.2
phases:
  build:
    commands:
      - cat kept/file ~/.m2/jar || echo none
      - mkdir -p kept ~/.m2; echo x > kept/file; echo y > ~/.m2/jar
cache: {paths: ["kept/**/*", "/root/.m2/**/*"]}
"""
    project = codebuild.project(f"cache-{kind.lower()}", buildspec, cache=settings[kind])
    first, second = (codebuild.ended(codebuild.start(project)) for _ in range(2))
    codebuild.client.invalidate_project_cache(projectName=project)
    third = codebuild.ended(codebuild.start(project))
    assert codebuild.printed(first)[-1] == "none"
    assert codebuild.printed(second) == ["x", "y"]
    assert codebuild.printed(third)[-1] == "none"


def test_stopped_build_leaves_no_process_not_even_one_in_a_session_of_its_own(codebuild: CodeBuild) -> None:
    nap = f"{os.getpid()}.1"
    project = codebuild.project(
        "stopped", spec(build=[f"setsid sleep {nap} & (sleep {nap} &) ; echo up; sleep {nap}"])
    )
    build_id = codebuild.start(project)
    wait_for("sleepers", lambda: len(sleepers(nap)) == 3)
    codebuild.client.stop_build(id=build_id)
    build = codebuild.ended(build_id)
    assert (build["buildStatus"], phases(build)["BUILD"]) == ("STOPPED", "STOPPED")
    assert sleepers(nap) == []
    assert "up" in codebuild.printed(build)


def test_process_left_in_the_background_ends_with_the_build(codebuild: CodeBuild) -> None:
    nap = f"{os.getpid()}.2"
    build = codebuild.run("left", spec(build=[f"setsid sleep {nap} >/dev/null 2>&1 &"]))
    assert build["buildStatus"] == "SUCCEEDED"
    assert sleepers(nap) == []


def sleepers(seconds: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", seconds]]


@pytest.fixture
def fast_plane(running_engine: RunningEngine, tmp_path: Path) -> Iterator[CodeBuildPlane]:
    """A plane of the test's own, in which a minute is 0.2 seconds and one build runs at a time."""
    settings = CodeBuildSettings(1, seconds_per_timeout_minute=0.2, stop_seconds=1)
    with own_plane(running_engine, tmp_path, settings) as plane:
        yield plane


def planned(
    plane: CodeBuildPlane, codebuild: CodeBuild, name: str, buildspec: str = "", **settings: Any
) -> str:
    plane.create_project(
        {
            "name": name,
            "source": {"type": "NO_SOURCE", "buildspec": buildspec or spec(build=["sleep 60"])},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "c"},
            "serviceRole": codebuild.role(),
            **settings,
        }
    )
    return str(plane.start_build({"projectName": name})["build"]["id"])


def test_build_over_its_timeout_ends_as_timed_out(fast_plane: CodeBuildPlane, codebuild: CodeBuild) -> None:
    build = outcome(fast_plane, planned(fast_plane, codebuild, "slow", timeoutInMinutes=40))
    assert build["buildStatus"] == "TIMED_OUT"
    assert contexts(build, "BUILD") == [("BUILD_TIMED_OUT", "Build has timed out.")]


def test_builds_beyond_the_limit_wait_in_the_queue(fast_plane: CodeBuildPlane, codebuild: CodeBuild) -> None:
    running = planned(fast_plane, codebuild, "running", timeoutInMinutes=480, concurrentBuildLimit=1)
    queued = planned(fast_plane, codebuild, "queued", queuedTimeoutInMinutes=5)
    assert outcome(fast_plane, queued)["buildStatus"] == "TIMED_OUT"
    with pytest.raises(Exception, match="Cannot have more than 1 active builds for the project"):
        fast_plane.start_build({"projectName": "running"})
    fast_plane.stop_build({"id": running})
    assert outcome(fast_plane, running)["buildStatus"] == "STOPPED"


def test_events_tell_of_phases_and_states(codebuild: CodeBuild) -> None:
    queue = codebuild.engine.client("sqs")
    url = queue.create_queue(QueueName="build-events")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = codebuild.engine.client("events")
    pattern = {"source": ["aws.codebuild"], "detail": {"project-name": ["told"]}}
    events.put_rule(Name="builds", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="builds", Targets=[{"Id": "q", "Arn": arn}])
    build = codebuild.run("told", spec(build=["exit 1"]))
    found: list[dict[str, Any]] = []

    def probe() -> bool:
        for message in queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found.append(json.loads(message["Body"]))
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len([one for one in found if "State" in one["detail-type"]]) == 2

    wait_for("events", probe)
    states = {one["detail"]["build-status"]: one for one in found if "State" in one["detail-type"]}
    assert set(states) == {"IN_PROGRESS", "FAILED"}
    assert states["FAILED"]["resources"] == [build["arn"]]
    assert states["FAILED"]["detail"]["additional-information"]["build-complete"] is True
    ended = {
        one["detail"]["completed-phase"]: one["detail"] for one in found if "Phase" in one["detail-type"]
    }
    assert ended["BUILD"]["completed-phase-status"] == "FAILED"
    assert "exit status 1" in ended["BUILD"]["completed-phase-context"]


def test_state_machine_waits_for_a_build_and_fails_with_it(codebuild: CodeBuild) -> None:
    states = codebuild.engine.client("stepfunctions")
    codebuild.project("ok-build", spec(build=['test "$X" = 1']))
    definition = {
        "StartAt": "Build",
        "States": {
            "Build": {
                "Type": "Task",
                "Resource": "arn:aws:states:::codebuild:startBuild.sync",
                "Parameters": {
                    "ProjectName": "ok-build",
                    "EnvironmentVariablesOverride": [{"Name": "X", "Value.$": "$.x"}],
                },
                "End": True,
            }
        },
    }
    machine = states.create_state_machine(
        name="builder", definition=json.dumps(definition), roleArn=codebuild.engine.role()
    )["stateMachineArn"]

    def run(x: str) -> dict[str, Any]:
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps({"x": x}))["executionArn"]

        def probe() -> dict[str, Any] | None:
            found = states.describe_execution(executionArn=arn)
            return None if found["status"] == "RUNNING" else dict(found)

        return wait_for("end", probe)

    good, bad = run("1"), run("2")
    assert good["status"] == "SUCCEEDED", good
    assert json.loads(good["output"])["Build"]["BuildStatus"] == "SUCCEEDED"
    assert (bad["status"], bad["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(bad["cause"])["Build"]["BuildStatus"] == "FAILED"


def bucket(codebuild: CodeBuild, name: str) -> Any:
    s3 = codebuild.engine.client("s3")
    if name not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        location = {"LocationConstraint": codebuild.engine.settings.region}
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    return s3
