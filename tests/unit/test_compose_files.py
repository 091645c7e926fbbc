"""docker-compose.yml says what it has to; it does not need Docker to be read."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from localstack.utils.container_utils.container_client import Util
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from millpond.base.config import CHECKOUT, Settings
from millpond.base.containers import OF_PROJECT
from millpond.base.terraform import PROVIDER
from millpond.localstack_ext.engine import container
from millpond.stack import compose, images
from millpond.stack.engine_environment import SERVICES_WE_PROVIDE, engine_variables


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
        assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "user"} <= set(service)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_a_service_waits_until_what_it_needs_is_healthy(services) -> None:
    conditions = {
        (name, needed): how["condition"]
        for name, service in services.items()
        for needed, how in service.get("depends_on", {}).items()
    }
    assert conditions == {
        ("localstack", "onprem-db"): "service_healthy",
        ("localstack", "glue"): "service_healthy",
    }


def test_limits_of_processors_are_those_of_the_machine_or_of_the_environment(
    services, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MILLPOND_ONPREM_CPUS", "0.5")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    given = compose.ComposeStack(Settings(tier="compose", state_dir=tmp_path)).environment()
    limits = {service["cpus"].removeprefix("${").partition(":")[0] for service in services.values()}
    assert {name: given[name] for name in limits} == {
        "MILLPOND_ONPREM_CPUS": "0.5",
        "MILLPOND_ENGINE_CPUS": str(os.cpu_count()),
        "MILLPOND_GLUE_CPUS": str(os.cpu_count()),
    }


def test_the_engine_has_the_same_providers_in_both_tiers(tmp_path: Path) -> None:
    variables = engine_variables(tmp_path, region="eu-west-1", listen="127.0.0.1:1", advertised_port=1)
    assert {name.removeprefix("PROVIDER_OVERRIDE_").lower() for name in variables if "OVERRIDE_" in name} >= {
        *SERVICES_WE_PROVIDE
    }


def given_to_the_engine(directory: Path, executor: str) -> dict[str, str]:
    """What its container has by docker-compose.yml."""
    return {
        "MILLPOND_PLANE_STATE_DIR": str(directory),
        "MILLPOND_PLANE_REGION": "eu-west-1",
        "MILLPOND_ADVERTISED_PORT": "4566",
        "MILLPOND_LAMBDA_EXECUTOR": executor,
    }


LOOK = """
from localstack import config
from localstack.packages import InstallTarget
from localstack.services.lambda_.packages import lambda_runtime_package
from localstack.utils.docker_utils import DOCKER_CLIENT
runtime = lambda_runtime_package.get_installer()._get_install_dir(InstallTarget.STATIC_LIBS)
print(config.LAMBDA_RUNTIME_EXECUTOR, type(DOCKER_CLIENT).__name__, runtime.partition("/lambda-runtime")[0])
"""


@pytest.mark.parametrize(
    ("executor", "found"),
    [
        ("process", "millpond CmdDockerClient {files}/usr/lib/localstack"),
        ("docker", "docker SdkDockerClient /usr/lib/localstack"),
    ],
)
def test_localstacks_executor_has_dockers_api_and_the_runtime_of_the_image(
    tmp_path: Path, executor: str, found: str
) -> None:
    given = given_to_the_engine(tmp_path, executor)
    (tmp_path / "engine" / "tmp").mkdir(parents=True)
    result = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={"PATH": os.environ["PATH"], **container.environment(given)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == found.format(files=tmp_path / "engine" / "files")


def test_what_localstacks_executor_writes_is_on_the_engines_volume(tmp_path: Path) -> None:
    variables = container.environment(given_to_the_engine(tmp_path, "docker"))
    assert variables["CUSTOM_SSL_CERT_PATH"] == f"{tmp_path}/engine/files/server.pem"
    assert variables["TMPDIR"] == f"{tmp_path}/engine/tmp"


def test_containers_of_localstacks_executor_reach_engine_and_database_and_are_found_again(services) -> None:
    given = services["localstack"]["environment"]
    project = "${MILLPOND_COMPOSE_PROJECT}"
    assert given["LAMBDA_DOCKER_NETWORK"] == f"{project}_lake,{project}_site"
    assert Util.parse_additional_flags(given["LAMBDA_DOCKER_FLAGS"]).labels == {OF_PROJECT: project}


def test_the_engines_image_has_whatever_the_planes_import() -> None:
    of_localstack = installed_for(["localstack-core[runtime]"])
    wanted = [*_names_in(CHECKOUT / "requirements" / "engine.in")]
    own = {canonicalize_name(name) for name in wanted}
    assert installed_for(wanted) - of_localstack <= own, "what a package needs is not in engine.in"
    sources = CHECKOUT / "millpond"
    planes = [*sources.glob("planes/**/*.py"), *sources.glob("localstack_ext/*.py")]
    modules = {module for path in planes for module in imported_by(path)}
    distributions = metadata.packages_distributions()
    found = {canonicalize_name(one) for module in modules for one in distributions.get(module, [])}
    assert found - of_localstack - own <= {"millpond"}


def imported_by(path: Path) -> Iterator[str]:
    """Top-level names of the modules that a file imports when it is run."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def installed_for(names: list[str]) -> set[str]:
    """The distributions that come with these, in the environment of the tests."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if (name, frozenset(one.extras)) in found:
            continue
        found.add((name, frozenset(one.extras)))
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            extras = [*one.extras, ""]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {name for name, _ in found}


def _names_in(requirements: Path) -> Iterator[str]:
    for line in requirements.read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.partition("==")[0]


def test_a_container_runs_the_terraform_that_is_mounted_and_else_leaves_it_to_the_build(
    tmp_path: Path,
) -> None:
    tools = images.container_tools()
    program, providers = tmp_path / "terraform", tmp_path / "providers"
    program.write_text("")
    providers.mkdir()
    without = container.mounted_tools(tools, program, providers)
    assert (without.terraform, without.terraform_mirror) == (None, None)
    program.chmod(0o755)
    (providers / PROVIDER).mkdir(parents=True)
    found = container.mounted_tools(tools, program, providers)
    assert (found.terraform, found.terraform_mirror) == (program, providers)


def test_what_a_build_keeps_is_where_the_engine_may_write(services) -> None:
    cache = container.mounted_tools(images.container_tools()).jars_dir.parent
    writable = [
        volume.split(":")[1] for volume in services["localstack"]["volumes"] if not volume.endswith(":ro")
    ]
    assert any(cache.is_relative_to(path) for path in writable)


def test_a_deployment_in_containers_names_what_builds_there_see(services) -> None:
    settings = Settings(tier="compose")
    repository = settings.repository_url.removeprefix("file://")
    mounted = [volume.split(":") for volume in services["localstack"]["volumes"]]
    assert [repository, "ro"] in [volume[-2:] for volume in mounted]
    assert str(container.TERRAFORM) in [volume[-2] for volume in mounted]
    assert str(container.PROVIDERS) in [volume[-2] for volume in mounted]


def test_the_runtime_in_the_image_of_glue_has_whatever_it_imports(tmp_path: Path) -> None:
    for part in images.OF_THE_RUNTIME:
        shutil.copy(CHECKOUT / part, tmp_path)
    environment = {"PYTHONPATH": str(tmp_path), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sitecustomize"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


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
