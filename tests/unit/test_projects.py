"""What Millpond sees in a folder, and the settings that a project begins with."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import main as cli
from millpond.project.apps import resources_of
from millpond.project.discovery import Kind, deployables_at, look_around
from millpond.project.initial import project_name
from millpond.project.templates import stack_name
from millpond.project.terraform import backend_of, link
from millpond.project.ways import deployable, parsed

SAM = "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n"
TEMPLATE = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"
FILES = {
    "infra/main.tf": 'module "jobs" {\n  source = "./jobs"\n}\n',
    "infra/provider.tf": 'provider "aws" {\n  region = "eu-central-1"\n}\n',
    "infra/jobs/main.tf": 'resource "aws_sqs_queue" "q" {}\n',
    "infra/.terraform/modules/x/main.tf": "",
    "modules/shared/main.tf": "",
    "app/cdk.json": '{"app": "python app.py"}',
    "app/template.yaml": TEMPLATE,
    "serverless/template.yaml": f"AWSTemplateFormatVersion: '2010-09-09'\n{SAM}",
    "queue.yaml": TEMPLATE,
    "values.yaml": "Resources:\n  limits: {cpu: 1}\n",
    "node_modules/p/template.yaml": TEMPLATE,
    "machine/daily.asl.json": "{}",
    "jobs/sales.py": "import sys\nfrom awsglue.context import GlueContext\n",
    "jobs/plain.py": "# from awsglue\n",
    "docker-compose.yml": "services:\n  db:\n    image: postgis/postgis:16\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "Mein Projekt"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    return root


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["millpond", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_what_can_be_deployed_and_run_is_found_but_no_module_and_nothing_that_was_installed(folder: Path):
    findings = look_around(folder)
    assert [
        (deployable.kind, str(deployable.path.relative_to(folder))) for deployable in findings.deployables
    ] == [
        (Kind.CDK, "app"),
        (Kind.CLOUDFORMATION, "queue.yaml"),
        (Kind.TERRAFORM, "infra"),
        (Kind.SAM, "serverless/template.yaml"),
    ]
    assert [machine.name for machine in findings.state_machines] == ["daily.asl.json"]
    assert [script.name for script in findings.glue_scripts] == ["sales.py"]
    assert [database.name for database in findings.compose_databases] == ["docker-compose.yml"]


def test_init_writes_settings_that_are_read_from_below(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    (folder / "app" / "cdk.json").unlink()
    (folder / "app" / "template.yaml").unlink()
    (folder / "queue.yaml").unlink()
    assert run(monkeypatch, "init", "--yes") == 0
    said = capsys.readouterr().err
    assert "terraform: infra" in said
    assert "next: millpond up, then millpond deploy" in said
    monkeypatch.chdir(folder / "infra" / "jobs")
    settings = load_settings()
    assert (settings.project, settings.region, settings.has_onprem) == ("mein-projekt", "eu-central-1", True)
    assert settings.state == folder / ".millpond" / "state"
    assert deployable(settings, None).path == folder / "infra"
    monkeypatch.chdir(folder)
    assert run(monkeypatch, "init", "--yes") == 1
    assert "There is a millpond.toml here already" in capsys.readouterr().err


def test_of_an_empty_folder_the_settings_say_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "init", "--yes") == 0
    written = tomllib.loads((tmp_path / "millpond.toml").read_text())
    assert written.keys() == {"project", "region"}
    assert not load_settings().has_onprem
    with pytest.raises(MillpondError, match="no Terraform, CDK or template"):
        deployable(load_settings(), None)


def test_a_folder_with_several_templates_is_asked_about(folder: Path):
    (folder / "topic.json").write_text('{"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}')
    assert {deployable.path.name for deployable in deployables_at(folder)} == {"queue.yaml", "topic.json"}
    with pytest.raises(MillpondError, match=r"several templates here: queue.yaml, topic.json"):
        deployable(load_settings(), folder)
    assert deployable(load_settings(), folder / "topic.json").kind is Kind.CLOUDFORMATION
    with pytest.raises(MillpondError, match="There is no nowhere"):
        deployable(load_settings(), Path("nowhere"))


def test_terraform_works_beside_the_project_and_leaves_nothing_in_it(folder: Path, tmp_path: Path):
    (folder / "infra" / ".terraform.lock.hcl").write_text("theirs")
    here = link(folder / "infra" / "jobs", folder, tmp_path / "tree")
    assert here == tmp_path / "tree" / "infra" / "jobs"
    assert (here / "main.tf").read_text() == FILES["infra/jobs/main.tf"]
    assert (here.parent / "main.tf").resolve() == folder / "infra" / "main.tf"
    assert not (here.parent / ".terraform").exists()
    assert (here.parent.parent / "jobs" / "sales.py").exists()
    root = link(folder / "infra", folder, tmp_path / "other")
    (root / ".terraform.lock.hcl").write_text("ours")
    (root / "made.zip").write_text("")
    assert (folder / "infra" / ".terraform.lock.hcl").read_text() == "theirs"
    (folder / "infra" / "main.tf").rename(folder / "infra" / "renamed.tf")
    (folder / "infra" / "provider.tf").unlink()
    again = link(folder / "infra", folder, tmp_path / "other")
    assert {file.name for file in again.glob("*.tf")} == {"renamed.tf"}
    assert (again / "made.zip").exists()
    assert {file.name for file in (folder / "infra").iterdir()} == {
        ".terraform",
        ".terraform.lock.hcl",
        "jobs",
        "renamed.tf",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ('terraform {\n  backend "s3" {}\n}', None),
        ('terraform {\n  # backend "s3" { bucket = "b" }\n}', None),
        (
            'terraform {\n  backend "s3" {\n    bucket = "b"\n    key    = "k"\n    encrypt = true\n  }\n}',
            {"bucket": "b", "key": "k"},
        ),
        ('  backend "s3" {\n    bucket = "${var.b}"\n    key = "k"\n  }\n', None),
    ],
)
def test_the_state_stays_where_a_configuration_says_as_a_whole(text: str, expected: dict[str, str] | None):
    assert backend_of(text) == expected


def test_names_are_such_that_aws_takes_them():
    assert project_name(Path("/x/Über_Daten 2")) == "ber-daten-2"
    assert stack_name("sales", Path("/x/ingest/template.yaml")) == "sales-ingest"
    assert stack_name("sales", Path("/x/core_network.yaml")) == "sales-core-network"


def test_a_variable_without_a_value_is_refused():
    assert parsed(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(MillpondError, match="a has no value"):
        parsed(["a"])


def test_a_stack_of_cdk_is_none_of_its_resources() -> None:
    lines = [
        "lake | 1/3 | 10:23:54 AM | CREATE_IN_PROGRESS      | AWS::S3::Bucket            | Data (Data6) ",
        "lake | 2/3 | 10:23:54 AM | CREATE_COMPLETE         | AWS::S3::Bucket            | Data (Data6) ",
        "lake | 2/3 | 10:23:54 AM | CREATE_COMPLETE         | AWS::CloudFormation::Stack | Inner ",
        "lake | 3/3 | 10:23:54 AM | CREATE_COMPLETE         | AWS::CloudFormation::Stack | lake ",
        "Outputs: a | b",
    ]
    assert resources_of(lines, "CREATE_COMPLETE") == 2
