"""What the child process is given, and what is read from what it says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from millpond import terraform
from millpond.config import CHECKOUT, Settings
from millpond.deploy import deploy
from millpond.errors import MillpondError
from millpond.terraform import Changes, Terraform, TerraformEvent, TerraformTool


def make(tmp_path: Path, *, binary: Path = Path("/bin/false"), mirror: Path | None = None) -> Terraform:
    return Terraform(
        TerraformTool(binary, mirror),
        source=CHECKOUT / "terraform",
        work=tmp_path / "work",
        cache=tmp_path / "cache",
        pid_file=tmp_path / "terraform.pid",
        log_file=tmp_path / "terraform.log",
        endpoint_url="http://127.0.0.1:4566",
        region="eu-west-1",
        variables={},
    )


def test_the_child_sees_nothing_of_the_callers_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "TF_VAR_region", "TF_WORKSPACE"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")

    environment = make(tmp_path).environment()

    assert "mine" not in environment.values()
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"


def test_synchronising_follows_the_source_and_leaves_state_alone(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    for path in (source / "main.tf", source / "state_machines/a.json.tftpl", work / "old.tf"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("new")
    (work / "terraform.tfstate").write_text("state")
    (work / "main.tf").write_text("old")

    terraform.synchronise(source, work)

    assert {path.relative_to(work).as_posix(): path.read_text() for path in work.rglob("*.*")} == {
        "main.tf": "new",
        "state_machines/a.json.tftpl": "new",
        "terraform.tfstate": "state",
    }


def test_with_a_mirror_the_provider_comes_from_it_alone() -> None:
    config = terraform.cli_config(Path("/srv/plug ins"))

    assert 'path    = "/srv/plug ins"' in config
    assert config.count('["registry.terraform.io/hashicorp/aws"]') == 2
    assert "filesystem_mirror" not in terraform.cli_config(None)


def test_the_tested_provider_is_locked_unless_the_mirror_lacks_it(tmp_path: Path) -> None:
    assert terraform.TESTED_PROVIDER in terraform.lock_file(None)
    assert terraform.lock_file(tmp_path) == ""
    (tmp_path / terraform.PROVIDER / terraform.TESTED_PROVIDER).mkdir(parents=True)
    assert terraform.TESTED_PROVIDER in terraform.lock_file(tmp_path)


def stand_in(tmp_path: Path, lines: list[object], exit_code: int = 0) -> Path:
    """A program that answers like Terraform: its version, then the lines of its JSON output."""
    said = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (tmp_path / "said").write_text(said + "\n")
    program = tmp_path / "terraform"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = version ]; then echo \'{"terraform_version": "1.11.4"}\'; exit 0; fi\n'
        f'if [ "$1" = init ]; then mkdir -p .terraform; exit 0; fi\n'
        f"cat {tmp_path / 'said'}; exit {exit_code}\n"
    )
    program.chmod(0o755)
    return program


def summary(operation: str, add: int) -> dict[str, object]:
    return {
        "type": "change_summary",
        "changes": {"add": add, "change": 0, "remove": 0, "operation": operation},
    }


def complete(address: str, action: str) -> dict[str, object]:
    return {"type": "apply_complete", "hook": {"resource": {"addr": address}, "action": action}}


def test_an_apply_reports_each_resource_then_its_outputs(tmp_path: Path) -> None:
    binary = stand_in(
        tmp_path,
        [
            summary("plan", 2),
            complete("data.aws_partition.current", "read"),
            complete("aws_s3_bucket.lake", "create"),
            complete("aws_s3_bucket.logs", "create"),
            summary("apply", 2),
            {"type": "outputs", "outputs": {"bucket": {"sensitive": False, "value": "lake"}}},
        ],
    )
    child = make(tmp_path, binary=binary)
    child.prepare()
    events: list[TerraformEvent] = []

    changes, outputs = child.apply(events.append)

    assert (changes, outputs) == (Changes(add=2), {"bucket": "lake"})
    assert [str(event) for event in events] == [
        "1/2 create aws_s3_bucket.lake",
        "2/2 create aws_s3_bucket.logs",
    ]


def diagnostic(text: str, **more: object) -> dict[str, object]:
    return {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": text, "detail": "", **more}}


def test_a_failed_apply_shows_terraforms_own_diagnostics_with_their_place(tmp_path: Path) -> None:
    first = diagnostic(
        "creating Glue Job",
        detail="AccessDenied",
        address='aws_glue_job.ingest["shell"]',
        range={"filename": "glue_jobs.tf", "start": {"line": 7}},
    )
    child = make(tmp_path, binary=stand_in(tmp_path, [first, diagnostic("second")], exit_code=1))
    child.prepare()

    with pytest.raises(MillpondError) as raised:
        child.apply()

    assert raised.value.what == "Terraform: creating Glue Job"
    assert raised.value.where == 'terraform/glue_jobs.tf:7 (aws_glue_job.ingest["shell"])'
    assert raised.value.detail.splitlines() == ["AccessDenied", "also: second ()"]


@pytest.mark.parametrize(
    "refusal", ["S3 Bucket: BucketAlreadyOwnedByYou", "Item: ConditionalCheckFailedException"]
)
def test_what_terraform_does_not_know_of_tells_how_to_empty_the_stack(tmp_path: Path, refusal: str) -> None:
    lines = [diagnostic(f"creating {refusal}")]
    child = make(tmp_path, binary=stand_in(tmp_path, lines, exit_code=1))
    child.prepare()

    with pytest.raises(MillpondError) as raised:
        child.apply()

    assert raised.value.next_step == terraform.EMPTY_THE_STACK


def test_a_child_that_dies_without_a_diagnostic_shows_its_last_words(tmp_path: Path) -> None:
    child = make(tmp_path, binary=stand_in(tmp_path, ["Segmentation fault"], exit_code=139))
    child.prepare()

    with pytest.raises(MillpondError, match="exit code") as raised:
        child.apply()

    assert raised.value.detail == "Segmentation fault"


def test_an_interrupted_apply_leaves_no_process_and_no_pid_file(tmp_path: Path) -> None:
    child = make(tmp_path, binary=stand_in_that_waits(tmp_path))
    child.prepare()

    def interrupt(_event: TerraformEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.apply(interrupt)

    assert not (tmp_path / "terraform.pid").exists()
    assert (tmp_path / "terraform.log").read_text().splitlines()[-1] == "state is saved"


def stand_in_that_waits(tmp_path: Path) -> Path:
    """It reports one resource, then works on until it is interrupted."""
    program = stand_in(tmp_path, [summary("plan", 2), complete("aws_s3_bucket.lake", "create")])
    lines = program.read_text().splitlines()[:-1]
    lines += [
        "trap 'echo state is saved; exit 1' INT",
        f"cat {tmp_path / 'said'}",
        "while :; do sleep 0.05; done",
    ]
    program.write_text("\n".join(lines) + "\n")
    return program


def test_deploying_without_an_engine_says_to_start_it(tmp_path: Path, unused_port: int) -> None:
    settings = Settings(home=tmp_path, gateway_port=unused_port)

    with pytest.raises(MillpondError, match="engine does not answer") as raised:
        deploy(settings, TerraformTool(Path("/bin/false"), None))

    assert raised.value.next_step == "millpond up"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
