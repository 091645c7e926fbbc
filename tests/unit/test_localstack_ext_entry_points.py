"""Every entry point of the plug-in can be loaded: LocalStack's loader hides what fails."""

from __future__ import annotations

from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest
from plux import PluginSpec
from plux.core.plugin import PluginSpecResolver

from millpond.planes.common.context import PlaneContext, Tools
from millpond.stack.engine_environment import PLUGIN, SERVICES_WE_PROVIDE

ENTRY_POINTS = [
    entry_point
    for entry_point in distribution("millpond").entry_points
    if entry_point.group.startswith("localstack.")
]


@pytest.fixture(autouse=True)
def plane_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(*[tmp_path] * 6, {})
    (tmp_path / "tools.json").write_text(tools.to_json())
    context = PlaneContext("http://127.0.0.1:1", "eu-west-1", "000000000000", tmp_path, tools)
    for name, value in context.to_environment(tmp_path / "tools.json").items():
        monkeypatch.setenv(name, value)


def spec_of(entry_point: EntryPoint) -> PluginSpec:
    return PluginSpecResolver().resolve(entry_point.load())


@pytest.mark.parametrize(
    "entry_point", ENTRY_POINTS, ids=lambda entry_point: f"{entry_point.group}:{entry_point.name}"
)
def test_entry_point_loads_and_is_registered_under_its_own_namespace(entry_point: EntryPoint) -> None:
    assert spec_of(entry_point).namespace == entry_point.group


@pytest.mark.parametrize("service", SERVICES_WE_PROVIDE)
def test_service_that_the_engine_asks_for_has_an_entry_point_of_that_name(service: str) -> None:
    providers = [provider for provider in ENTRY_POINTS if provider.group == "localstack.aws.provider"]
    [entry_point] = [provider for provider in providers if provider.name == f"{service}:{PLUGIN}"]
    assert spec_of(entry_point).name == entry_point.name


@pytest.mark.parametrize("group", ["localstack.runtime.server", "localstack.lambda.runtime_executor"])
def test_server_and_lambda_executor_are_named_as_the_engine_asks_for_them(group: str) -> None:
    [entry_point] = [candidate for candidate in ENTRY_POINTS if candidate.group == group]
    assert (entry_point.name, spec_of(entry_point).name) == (
        PLUGIN,
        PLUGIN,
    )
    assert spec_of(entry_point).factory().load() is not None


def test_no_two_hooks_have_the_same_name_of_which_one_would_be_lost() -> None:
    names = [spec_of(hook).name for hook in ENTRY_POINTS if hook.group.startswith("localstack.hooks.")]
    assert sorted(set(names)) == sorted(names)
