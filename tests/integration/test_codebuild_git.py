"""Builds whose source is on a Git server: over HTTPS, over SSH, with submodules, and kept between builds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml
from codebuild_fixtures import CodeBuild, commit, contexts, git, git_repository, outcome, own_plane, phases
from engine_fixtures import RunningEngine
from git_servers import SshServer, https_server, ssh_server

from millpond.base.config import CHECKOUT
from millpond.planes.codebuild import CodeBuildSettings, buildspec

TOKEN = "token-of-a-test"


@pytest.fixture(scope="module")
def codebuild(running_engine: RunningEngine) -> CodeBuild:
    return CodeBuild(running_engine)


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshServer]:
    with ssh_server() as server:
        yield server


def spec(*commands: str, **env: str) -> str:
    return json.dumps({"version": "0.2", "env": env, "phases": {"build": {"commands": commands}}})


def with_submodule(directory: Path, url: str, files: dict[str, str]) -> Path:
    """A repository ``app``, of which the repository ``lib`` beside it is a submodule, at a URL."""
    git_repository(directory / "lib", {"name": "from the submodule\n"})
    git_repository(directory / "app", files)
    allow = ("-c", "protocol.file.allow=always")
    git(directory / "app", *allow, "submodule", "--quiet", "add", (directory / "lib").as_uri(), "lib")
    git(directory / "app", "config", "-f", ".gitmodules", "submodule.lib.url", url)
    commit(directory / "app", "with submodule")
    return directory / "app"


def test_https_source_needs_its_credentials_and_is_fetched_anew_only_where_it_changed(
    codebuild: CodeBuild, tmp_path: Path
) -> None:
    helped = spec(
        "cat lib/name",
        "git -c http.sslVerify=false ls-remote $CODEBUILD_SOURCE_REPO_URL HEAD | cut -f1",
        **{"git-credential-helper": "yes"},
    )
    files = {"buildspec.yml": helped, "ballast": os.urandom(150_000).hex()}
    repository = with_submodule(tmp_path / "served", "../../lib/.git", files)
    with https_server(tmp_path / "served", tmp_path, TOKEN) as server:
        source = {
            "type": "GITHUB_ENTERPRISE",
            "location": f"{server.url}/app/.git",
            "insecureSsl": True,
            "gitSubmodulesConfig": {"fetchSubmodules": True},
        }
        cache = {"type": "LOCAL", "modes": ["LOCAL_SOURCE_CACHE"]}
        project = codebuild.project("https", "", source=source, cache=cache)
        [(code, message)] = contexts(codebuild.ended(codebuild.start(project)), "DOWNLOAD_SOURCE")
        assert (code, "could not read Username" in message) == ("CLIENT_ERROR", True)

        arn = codebuild.client.import_source_credentials(
            serverType="GITHUB_ENTERPRISE", authType="PERSONAL_ACCESS_TOKEN", token=TOKEN
        )["arn"]
        untrusted = codebuild.ended(codebuild.start(project, insecureSslOverride=False))
        assert "certificate" in contexts(untrusted, "DOWNLOAD_SOURCE")[0][1]

        first = codebuild.ended(codebuild.start(project))
        head = git(repository, "rev-parse", "HEAD")
        assert first["resolvedSourceVersion"] == head
        assert codebuild.printed(first) == ["from the submodule", head]
        whole, server.sent[:] = sum(server.sent), []

        (repository / "new").write_text("new\n")
        second_commit = commit(repository, "second")
        codebuild.client.delete_source_credentials(arn=arn)
        secret = codebuild.engine.client("secretsmanager").create_secret(
            Name="git-token", SecretString=json.dumps({"Token": TOKEN})
        )
        auth = {"type": "SECRETS_MANAGER", "resource": secret["ARN"]}
        second = codebuild.ended(codebuild.start(project, sourceAuthOverride=auth))
        assert second["resolvedSourceVersion"] == second_commit
        assert sum(server.sent) < 20_000 < 150_000 < whole

        unhelped = spec(
            "GIT_TERMINAL_PROMPT=0 git -c http.sslVerify=false ls-remote $CODEBUILD_SOURCE_REPO_URL"
        )
        refused = codebuild.ended(
            codebuild.start(project, sourceAuthOverride=auth, buildspecOverride=unhelped)
        )
        assert phases(refused)["BUILD"] == "FAILED"
        assert not [
            line for build in (first, second, refused) for line in codebuild.log(build) if TOKEN in line
        ]


def test_submodules_come_along_only_when_asked_for(codebuild: CodeBuild, tmp_path: Path) -> None:
    files = {"buildspec.yml": spec("ls lib")}
    repository = with_submodule(tmp_path, (tmp_path / "lib").as_uri(), files)
    source = {"type": "GITHUB", "location": repository.as_uri()}
    project = codebuild.project("submodules", "", source=source)
    without = codebuild.ended(codebuild.start(project))
    wanted = {"fetchSubmodules": True}
    with_them = codebuild.ended(codebuild.start(project, gitSubmodulesConfigOverride=wanted))
    assert (codebuild.printed(without), codebuild.printed(with_them)) == ([], ["name"])


def test_ssh_source_is_fetched_with_the_key_that_the_server_knows(
    running_engine: RunningEngine, codebuild: CodeBuild, ssh: SshServer, tmp_path: Path
) -> None:
    head = git_repository(tmp_path / "app", {"buildspec.yml": spec("true")})
    (tmp_path / "known_hosts").write_text(f"{ssh.known_hosts}\n")
    outcomes = {}
    for name, key in (("good", ssh.private_key), ("bad", ssh.other_key)):
        key_file = tmp_path / name
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        program = (
            f"ssh -F none -i {key_file} -oIdentitiesOnly=yes -oUserKnownHostsFile={tmp_path}/known_hosts"
        )
        outcomes[name] = built(
            running_engine,
            codebuild,
            tmp_path / f"state-{name}",
            program,
            {
                "type": "GITHUB",
                "location": f"{ssh.url}{tmp_path}/app",
            },
        )
    assert (outcomes["good"]["buildStatus"], outcomes["good"]["resolvedSourceVersion"]) == ("SUCCEEDED", head)
    [(code, message)] = contexts(outcomes["bad"], "DOWNLOAD_SOURCE")
    assert code == "CLIENT_ERROR"
    assert "Permission denied" in message


def built(
    engine: RunningEngine, codebuild: CodeBuild, state: Path, ssh: str, source: dict[str, Any]
) -> dict[str, Any]:
    """A build of a source by a plane that has an SSH program of its own."""
    with own_plane(engine, state, CodeBuildSettings(ssh=ssh)) as plane:
        plane.create_project(
            {
                "name": "ssh",
                "source": source,
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "c"},
                "serviceRole": codebuild.role(),
            }
        )
        return outcome(plane, plane.start_build({"projectName": "ssh"})["build"]["id"])


def test_template_clones_over_ssh_with_the_key_in_its_secret(
    codebuild: CodeBuild, ssh: SshServer, tmp_path: Path
) -> None:
    template = json.loads(json.dumps(cfn_yaml.load(str(CHECKOUT / "CFN/seed.yaml"))))
    text = template["Resources"]["DeployProject"]["Properties"]["Source"]["BuildSpec"]
    clone = buildspec.parse(text).phases["pre_build"]
    commands = {"commands": clone.commands, "finally": [*clone.finally_commands, 'ls -A "$HOME/.ssh"']}
    phases_of_build = {"pre_build": commands, "build": {"commands": ["ls -A repository"]}}
    only_clone = json.dumps({"version": "0.2", "env": {"shell": "bash"}, "phases": phases_of_build})
    git_repository(tmp_path / "lake", {"main.tf": ""})
    secrets = codebuild.engine.client("secretsmanager")
    secrets.create_secret(Name="git-key", SecretString=ssh.private_key)
    secrets.create_secret(Name="other-key", SecretString=ssh.other_key)

    def run(name: str, key: str, known_hosts: str) -> dict[str, Any]:
        variables = {
            "CONFIG_REPO_URL": f"{ssh.url}{tmp_path}/lake",
            "GIT_BRANCH": "main",
            "GIT_KNOWN_HOSTS": known_hosts,
            "GIT_SSH_PRIVATE_KEY": {"name": "GIT_SSH_PRIVATE_KEY", "value": key, "type": "SECRETS_MANAGER"},
        }
        return codebuild.run(f"clone-{name}", only_clone, variables=variables)

    good = run("good", "git-key", ssh.known_hosts)
    assert codebuild.printed(good)[-3:] == ["known_hosts", ".git", "main.tf"]
    assert run("first-seen", "git-key", "")["buildStatus"] == "SUCCEEDED"
    refused = run("refused", "other-key", ssh.known_hosts)
    assert any("Permission denied" in line for line in codebuild.printed(refused))
    assert "known_hosts" in codebuild.printed(refused)
    assert "deployment" not in codebuild.printed(refused)
    unknown = run("impostor", "git-key", ssh.false_known_hosts)
    assert any("Host key verification failed" in line for line in codebuild.printed(unknown))
