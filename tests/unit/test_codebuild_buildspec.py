"""Buildspecs: what is read, what is refused, and which files they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from millpond.planes.codebuild import files
from millpond.planes.codebuild.buildspec import FileSet, OnFailure, PhaseSpec, parse, parse_on_failure
from millpond.planes.codebuild.exceptions import BuildspecError, ClientFailure

FULL = """
version: 0.2
run-as: builder
env:
  shell: bash
  variables: {FLAG: true, VERSION: 1.10}
  parameter-store: {P: /a/b}
  secrets-manager: {S: "id:key"}
  exported-variables: [FLAG]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {python: 3.10}
  build:
    run-as: root
    on-failure: RETRY-2-timed out
    commands: [make]
    finally: [echo done]
reports:
  unit: {files: ["*.xml"]}
artifacts:
  files: ["**/*"]
  discard-paths: yes
cache:
  paths: ["x/**/*"]
batch: {fast-fail: true}
"""


def test_buildspec_is_read_as_text_and_never_as_numbers_or_booleans() -> None:
    spec = parse(FULL)
    assert spec.variables == {"FLAG": "true", "VERSION": "1.10"}
    assert spec.phases["install"] == PhaseSpec(runtime_versions={"python": "3.10"})
    assert spec.phases["build"].on_failure == OnFailure("RETRY", 2, "timed out")
    assert spec.phases["build"].finally_commands == ("echo done",)
    assert (spec.run_as_of("install"), spec.run_as_of("build")) == ("builder", "root")
    assert (spec.shell, spec.uses_git_credential_helper, spec.has_batch) == ("bash", True, True)
    assert spec.artifacts == FileSet(("**/*",), discard_paths=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("- a", "not a mapping"),
        ("version: 0.2", "phases is required"),
        ("version: 0.3\nphases: {}", "invalid buildspec version '0.3'"),
        ("version: 0.2\nphases: {test: {commands: [a]}}", "unknown phase 'test'"),
        ("version: 0.2\nphases: {build: {}}", "the phase build has no commands"),
        ("version: 0.2\nphases: {build: {commands: [a: b]}}", r"Expected Commands\[0\] to be of string type"),
        ("version: 0.2\nphases: {build: {commands: a}}", "commands must be a list"),
        ("version: 0.2\nphases: {build: {commands: [a], on-failure: GIVE_UP}}", "invalid on-failure"),
        ("version: 0.2\nenv: {shell: fish}\nphases: {build: {commands: [a]}}", "unsupported shell 'fish'"),
        (
            "version: 0.2\nphases: {build: {commands: [a], runtime-versions: {python: 3}}}",
            "only supported in the install phase",
        ),
        (
            "version: 0.2\nphases: {build: {commands: [a]}}\nreports: {r: {files: []}}",
            "reports.r has no files",
        ),
    ],
)
def test_unusable_buildspec_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BuildspecError, match=words) as caught:
        parse(text)
    assert caught.value.status_code == "YAML_FILE_ERROR"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ABORT", OnFailure("ABORT")),
        ("RETRY", OnFailure("RETRY", 3)),
        ("RETRY-5", OnFailure("RETRY", 5)),
        ("RETRY-.*timeout.*", OnFailure("RETRY", 3, ".*timeout.*")),
    ],
)
def test_on_failure_has_a_count_and_a_pattern(text: str, expected: OnFailure) -> None:
    assert parse_on_failure(text) == expected


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", "b/d/f.log", "out-1/g"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (FileSet(("**/*",)), {"a.txt", "b/c.txt", "b/d/e.txt", "b/d/f.log", "out-1/g"}),
        (FileSet(("*",)), {"a.txt"}),
        (FileSet(("b/*",)), {"b/c.txt"}),
        (FileSet(("b/**/*",), exclude_paths=("**/*.log",)), {"b/c.txt", "b/d/e.txt"}),
        (FileSet(("**/*",), base_directory="b/d"), {"e.txt", "f.log"}),
        (FileSet(("**/*",), base_directory="out-*"), {"g"}),
        (FileSet(("b/**/*.txt",), discard_paths=True), {"c.txt", "e.txt"}),
    ],
)
def test_artifact_holds_the_files_that_its_patterns_name(
    tree: Path, wanted: FileSet, expected: set[str]
) -> None:
    assert set(files.select(tree, wanted)) == expected


@pytest.mark.parametrize("wanted", [FileSet(("none",)), FileSet(("**/*",), base_directory="nowhere")])
def test_artifact_without_files_is_refused(tree: Path, wanted: FileSet) -> None:
    with pytest.raises(ClientFailure, match="no matching"):
        files.select(tree, wanted)
