"""docker-compose.yml and the workflows say what they have to; none needs Docker to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from millpond.config import CHECKOUT, Settings
from millpond.stack import compose, images
from millpond.stack.engine_environment import SERVICES_WE_PROVIDE, engine_variables

WORKFLOWS = [
    CHECKOUT / ".github/workflows/ci.yml",
    CHECKOUT / "examples/ci/github-workflow.yml",
]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    return found


def test_the_services_are_those_that_the_stack_knows(services) -> None:
    assert set(services) == set(compose.SERVICES.values())


def test_every_image_can_be_replaced_and_none_is_latest_of_somebody_else(services) -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text()
    defaults = Settings.model_fields
    for name in ("localstack_image", "glue_image", "postgres_image"):
        assert f"${{MILLPOND_{name.upper()}:-{defaults[name].default}}}" in text


def test_every_port_is_on_loopback_and_every_service_has_limits_and_a_health_check(services) -> None:
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert {"mem_limit", "pids_limit", "healthcheck", "user"} <= set(service)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_the_engine_has_the_same_providers_in_both_tiers(tmp_path: Path) -> None:
    variables = engine_variables(tmp_path, region="eu-west-1", listen="127.0.0.1:1", advertised_port=1)
    assert {name.removeprefix("PROVIDER_OVERRIDE_").lower() for name in variables if "OVERRIDE_" in name} >= {
        *SERVICES_WE_PROVIDE
    }


def test_an_images_tag_follows_what_is_in_it(monkeypatch, tmp_path: Path) -> None:
    source = tmp_path / "docker" / "glue" / "Dockerfile"
    source.parent.mkdir(parents=True)
    source.write_text("FROM one\n")
    monkeypatch.setattr(images, "CHECKOUT", tmp_path)
    before = images.Image("glue", "base:1").tag
    assert images.Image("glue", "base:1").tag == before
    assert images.Image("glue", "base:2").tag != before
    source.write_text("FROM two\n")
    assert images.Image("glue", "base:1").tag != before


def test_a_lock_file_without_a_package_keeps_the_others_with_their_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1 \\\n    --hash=sha256:aa\n    # via x\npyspark==3 \\\n    --hash=sha256:bb\nz==2\n")
    kept = list(images._without(lock, ("pyspark",)))
    assert kept == ["a==1 \\", "    --hash=sha256:aa", "    # via x", "z==2"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_limits_and_least_permissions_and_runs_verbs_that_there_are(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    verbs = (CHECKOUT / "Makefile").read_text()
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if step.get("run", "").startswith("make "):
                assert f"\n{step['run'].split()[1]}:" in verbs


def test_the_action_has_the_inputs_that_its_steps_and_the_example_use() -> None:
    action = yaml.safe_load((CHECKOUT / ".github/actions/millpond/action.yml").read_text())
    text = (CHECKOUT / ".github/actions/millpond/action.yml").read_text()
    assert all(f"inputs.{name}" in text for name in action["inputs"])
    example = yaml.safe_load((CHECKOUT / "examples/ci/github-workflow.yml").read_text())
    given = example["jobs"]["lake"]["steps"][-1]["with"]
    assert set(given) <= set(action["inputs"])
