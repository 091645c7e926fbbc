"""How a definition becomes LocalStack's program, where its grammar does not know all fields.

LocalStack's grammar has no ``ItemBatcher``, reads only some inputs of an ``ItemReader``, and takes a failure
percentage only with a decimal point. A distributed Map is Millpond's own (see ``map_runs``): what belongs to
it is kept from the grammar, and read from the definition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.state_map import StateMap
from localstack.services.stepfunctions.asl.component.state.state_execution.state_parallel.state_parallel import (  # noqa: E501
    StateParallel,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service import (  # noqa: E501
    StateTaskService,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task import (
    StateTask,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.parse.asl_parser import AmazonStateLanguageParser

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions import intrinsics
from millpond.localstack_ext.stepfunctions.definitions import DISTRIBUTED, EXPRESSION, JSONATA
from millpond.localstack_ext.stepfunctions.language import evaluate_intrinsic, evaluate_jsonata, read_path

Shape = Mapping[str, Any]

# Fields of a distributed Map that are read from the definition.
_OWN_FIELDS = frozenset(
    {
        "ItemBatcher",
        "ItemReader",
        "ItemSelector",
        "Label",
        "Parameters",
        "ResultWriter",
        "ToleratedFailureCount",
        "ToleratedFailureCountPath",
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
    }
)


def fill(template: Any, document: Any, env: Environment, language: str) -> Any:
    """The value of a template in a state.

    Parameters
    ----------
    template : object
        In JSONPath, fields whose names end in ``.$`` are paths and intrinsic functions; in JSONata, strings
        in ``{%`` and ``%}`` are expressions.
    document : object
        What a path is looked up in.
    env : Environment
        Has the context object and the variables.
    language : str
        ``JSONPath`` or ``JSONata``.
    """
    if isinstance(template, list):
        return [fill(item, document, env, language) for item in template]
    if isinstance(template, dict):
        if language == JSONATA:
            return {name: fill(member, document, env, language) for name, member in template.items()}
        return dict(_field(name, member, document, env) for name, member in template.items())
    if language == JSONATA and isinstance(template, str) and (expression := EXPRESSION.fullmatch(template)):
        return evaluate_jsonata(expression[1].strip(), env)
    return template


def _field(name: str, value: Any, document: Any, env: Environment) -> tuple[str, Any]:
    if not name.endswith(".$"):
        return name, fill(value, document, env, "JSONPath")
    return name.removesuffix(".$"), read(value, document, env)


def read(text: str, document: Any, env: Environment) -> Any:
    """The value of a path or an intrinsic function."""
    if text.startswith("States."):
        return evaluate_intrinsic(intrinsics.parse(text), document, env)
    return read_path(text, document, env)


def is_distributed(state: Shape) -> bool:
    """Whether a state is a Map whose items have executions of their own."""
    return state.get("Type") == "Map" and processor_of(state).get("ProcessorConfig", {}).get("Mode") == (
        DISTRIBUTED
    )


def processor_of(state: Shape) -> Shape:
    """What a Map does with each item."""
    processor: Shape = state.get("ItemProcessor", state.get("Iterator", {}))
    return processor


def _inner_machines(state: Shape) -> list[Shape]:
    if state.get("Type") == "Parallel":
        return list(state["Branches"])
    return [processor_of(state)] if state.get("Type") == "Map" else []


def reduced(machine: Shape) -> dict[str, Any]:
    """A definition without what LocalStack's grammar is not to see."""
    return {**machine, "States": {name: reduced_state(state) for name, state in machine["States"].items()}}


def reduced_state(state: Shape) -> dict[str, Any]:
    """A state's definition without what LocalStack's grammar is not to see."""
    kept = {
        name: value for name, value in state.items() if not (is_distributed(state) and name in _OWN_FIELDS)
    }
    if kept.get("Type") == "Parallel":
        kept["Branches"] = [reduced(branch) for branch in kept["Branches"]]
    for name in ("ItemProcessor", "Iterator"):
        if kept.get("Type") == "Map" and name in kept:
            kept[name] = reduced(kept[name])
            if is_distributed(state):
                # The grammar knows no other type.
                config = {**kept[name]["ProcessorConfig"], "ExecutionType": "STANDARD"}
                kept[name]["ProcessorConfig"] = config
    return kept


def _attach(states: Mapping[str, Any], machine: Shape, language: str) -> None:
    """Give the states of a program what their definitions say."""
    for name, definition in machine["States"].items():
        state, own = states[name], definition.get("QueryLanguage", language)
        if isinstance(state, StateTask):
            _check_parameters(state, name, definition)
        if isinstance(state, StateMap):
            inner = [state.iteration_component._states.states]
            setattr(state, "definition", {**definition, "QueryLanguage": own})  # noqa: B010
        elif isinstance(state, StateParallel):
            inner = [branch.states.states for branch in state.branches.programs]
            for number, branch in enumerate(state.branches.programs):
                setattr(branch, "number", number)  # noqa: B010
        else:
            continue
        for these, branch_definition in zip(inner, _inner_machines(definition), strict=True):
            _attach(these, branch_definition, own)


def _check_parameters(state: StateTask, name: str, definition: Shape) -> None:
    """An integration names its parameters; LocalStack drops others, AWS refuses them.

    Raises
    ------
    ValueError
        If there are others.
    """
    parameters = definition.get("Arguments", definition.get("Parameters"))
    supported = state._get_supported_parameters() if isinstance(state, StateTaskService) else None
    if not supported or not isinstance(parameters, dict):
        return
    others = {field.removesuffix(".$") for field in parameters} - set(supported)
    if others:
        shown = ", ".join(sorted(others))
        raise ValueError(f"{definition['Resource']} does not support the parameter {shown}, in {name}")


def install_programs() -> None:
    """Let LocalStack's parser read what it is to see of a definition."""

    # Each execution asks for it, and reading a long one takes longer than its first states. A program holds
    # nothing of a run: the iterations of a Map share theirs.
    @lru_cache(maxsize=64)
    def parse(theirs: Any, definition: str) -> Any:
        machine = json.loads(definition)
        program, tree = theirs(json.dumps(reduced(machine), ensure_ascii=False))
        _attach(program.states.states, machine, machine.get("QueryLanguage", "JSONPath"))
        return program, tree

    patches.wrap(AmazonStateLanguageParser, "parse", parse)
