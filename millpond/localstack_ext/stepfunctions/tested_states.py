"""``TestState`` of ``Parallel`` states and distributed Maps, by a mock of their result.

Source: ``TestState`` in the Step Functions API Reference and "Testing state machines with TestState" in the
developer guide: Map and ``Parallel`` states are tested with a mock. LocalStack refuses ``Parallel`` states,
and the fields of a distributed Map that its grammar does not know; the items are not read in a test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.state_map import StateMap
from localstack.services.stepfunctions.asl.component.state.state_execution.state_parallel.state_parallel import (  # noqa: E501
    StateParallel,
)
from localstack.services.stepfunctions.asl.component.state.state_type import StateType
from localstack.services.stepfunctions.asl.component.test_state.state.base_mock import MockedBaseState
from localstack.services.stepfunctions.asl.component.test_state.state.execution import MockedStateExecution
from localstack.services.stepfunctions.asl.parse.test_state import preprocessor
from localstack.services.stepfunctions.asl.parse.test_state.asl_parser import (
    TestStateAmazonStateLanguageParser,
)
from localstack.services.stepfunctions.asl.static_analyser.test_state.test_state_analyser import (
    TestStateStaticAnalyser,
)

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions.definitions import DISTRIBUTED, S3_GET
from millpond.localstack_ext.stepfunctions.programs import is_distributed


class MockedParallel(MockedBaseState[StateParallel]):
    """A ``Parallel`` state whose branches give what the mock says."""

    def _apply_patches(self) -> None:
        state: Any = MockedStateExecution.wrap(self._wrapped)
        self._wrapped, branches = state, state.branches
        body = branches._eval_body  # noqa: SLF001 - as LocalStack's own mocks do
        branches._eval_body = self.wrap_with_mock(body)  # type: ignore[no-untyped-call]  # noqa: SLF001


def install_tested_states() -> None:
    """Let ``TestState`` take ``Parallel`` states, what is in their branches, and all distributed Maps."""

    def parse(theirs: Any, definition: str, state_name: str | None = None) -> Any:
        return theirs(json.dumps(readable(json.loads(definition)), ensure_ascii=False), state_name)

    def decorate(theirs: Any, state: Any, is_single_state: bool = False) -> None:
        if isinstance(state, StateParallel):
            MockedParallel.wrap(state, is_single_state)
        else:
            theirs(state, is_single_state)

    types = TestStateStaticAnalyser._SUPPORTED_STATE_TYPES | {StateType.Parallel}  # noqa: SLF001 - listed in patches
    patches.replace(TestStateStaticAnalyser, "_SUPPORTED_STATE_TYPES", types)
    patches.wrap(TestStateAmazonStateLanguageParser, "parse", parse)
    patches.wrap(preprocessor, "_decorate_state_field", decorate)
    patches.wrap(preprocessor, "find_state", lambda _theirs, name, states: find_state(name, states))


def readable(definition: Any) -> Any:
    """A definition of a machine or a state, with what LocalStack's grammar knows of distributed Maps."""
    if isinstance(definition, list):
        return [readable(item) for item in definition]
    if not isinstance(definition, dict):
        return definition
    if not is_distributed(definition):
        return {name: readable(member) for name, member in definition.items()}
    known = {name: readable(member) for name, member in definition.items() if name != "ItemBatcher"}
    field = "ItemProcessor" if "ItemProcessor" in known else "Iterator"
    known[field]["ProcessorConfig"] = {"Mode": DISTRIBUTED, "ExecutionType": "STANDARD"}
    if "ItemReader" in known:
        known["ItemReader"] = {"Resource": S3_GET, "ReaderConfig": {"InputType": "JSON"}}
    if "ResultWriter" in known:
        known["ResultWriter"].pop("WriterConfig", None)
        if "Resource" not in known["ResultWriter"]:
            del known["ResultWriter"]
    share = known.get("ToleratedFailurePercentage")
    if isinstance(share, int):
        known["ToleratedFailurePercentage"] = float(share)
    return known


def find_state(name: str, states: Mapping[str, Any]) -> Any:
    """A state of that name, also in Maps and branches; None if there is none."""
    if name in states:
        return states[name]
    for state in states.values():
        if isinstance(state, StateMap):
            inner = [state.iteration_component._states.states]
        elif isinstance(state, StateParallel):
            inner = [branch.states.states for branch in state.branches.programs]
        else:
            continue
        for these in inner:
            if (inner_state := find_state(name, these)) is not None:
                return inner_state
    return None
