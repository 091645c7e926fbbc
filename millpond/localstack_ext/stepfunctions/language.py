"""Expressions of state machines by Millpond's own readers: JSONata, variables and intrinsic functions.

LocalStack evaluates JSONata and variables in a Java runtime, with all values written into the expression.
"""

from __future__ import annotations

import copy
import json
import re
from functools import lru_cache
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_path
from localstack.aws.api.stepfunctions import HistoryEventType
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEventException,
)
from localstack.services.stepfunctions.asl.component.common.query_language import QueryLanguageMode
from localstack.services.stepfunctions.asl.component.common.string.string_expression import (
    StringIntrinsicFunction,
    StringJSONata,
    StringVariableSample,
)
from localstack.services.stepfunctions.asl.component.eval_component import EvalComponent
from localstack.services.stepfunctions.asl.component.state.state import CommonStateField
from localstack.services.stepfunctions.asl.component.state.state_execution.execute_state import (
    ExecutionState,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails
from localstack.services.stepfunctions.asl.eval.states import States
from localstack.services.stepfunctions.asl.eval.variable_store import NoSuchVariable, VariableStore
from localstack.services.stepfunctions.asl.parse.preprocessor import Preprocessor
from localstack.services.stepfunctions.asl.static_analyser.intrinsic.variable_names_intrinsic_static_analyser import (  # noqa: E501
    VariableNamesIntrinsicStaticAnalyser,
)
from localstack.services.stepfunctions.asl.utils import json_path

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions import intrinsics, jsonata
from millpond.localstack_ext.stepfunctions.errors import (
    INTRINSIC_FAILURE,
    RUNTIME,
    failure,
    query_failure,
)

_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)(.*)", re.DOTALL)


def variables(env: Environment) -> dict[str, Any]:
    """What a state's expressions may name: variables of its own and of outer scopes."""
    store = env.variable_store
    return {**store._outer_scope, **store._inner_scope}


def evaluate_jsonata(expression: str, env: Environment) -> Any:
    """The value of JSONata in a state.

    Raises
    ------
    FailureEventException
        ``States.QueryEvaluationError``, if it has none.
    """
    bound = {**variables(env), "states": env.states._states_data}
    try:
        return jsonata.evaluate(expression, bound)
    except jsonata.QueryError as error:
        raise query_failure(env, f"The JSONata expression '{expression}' {error}") from error


def read_path(path: str, document: Any, env: Environment) -> Any:
    """The value of a path: into a state's input, ``$$`` the context object, ``$name`` a variable."""
    if path == "$$" or path.startswith(("$$.", "$$[")):
        document, path = env.states.context_object.context_object_data, path[1:]
    elif variable := _VARIABLE.fullmatch(path):
        try:
            document, path = env.variable_store.get(variable[1]), f"${variable[2]}"
        except NoSuchVariable as error:
            raise failure(env, RUNTIME, f"The variable ${variable[1]} is not defined") from error
    return copy.deepcopy(document if path == "$" else json_path.extract_json(path, document))


def evaluate_intrinsic(call: intrinsics.Call, document: Any, env: Environment) -> Any:
    """The value of an intrinsic function in a state.

    Raises
    ------
    FailureEventException
        ``States.IntrinsicFailure``, if its arguments are not what it takes.
    """
    try:
        return call.evaluate(lambda path: read_path(path, document, env))
    except intrinsics.IntrinsicError as error:
        raise failure(env, INTRINSIC_FAILURE, str(error)) from error


class _Intrinsic(EvalComponent):
    """An intrinsic function as a part of LocalStack's program."""

    def __init__(self, text: str) -> None:
        self.call = intrinsics.parse(text)

    @property
    def name(self) -> Any:
        """What LocalStack asks a function for, to tell whether it gives a string."""
        return self

    def _eval_body(self, env: Environment) -> None:
        env.stack.append(evaluate_intrinsic(self.call, env.stack[-1], env))


def install_language() -> None:
    """Let LocalStack's state machines evaluate JSONata, paths and intrinsic functions by this module."""
    # Paths are read anew for each item of each state otherwise, which takes milliseconds.
    patches.replace(json_path, "parse", lru_cache(maxsize=4096)(parse_path))
    _install_jsonata()
    _install_variables()
    _install_intrinsics()


def _install_jsonata() -> None:

    def evaluate(_theirs: Any, self: Any, env: Environment) -> None:
        env.stack.append(evaluate_jsonata(self.expression, env))

    def reset(_theirs: Any, self: Any, input_value: Any) -> None:
        self._states_data["input"] = copy.deepcopy(input_value)
        # A result or an error that is not there is undefined, not null.
        self._states_data.pop("result", None)
        self._states_data.pop("errorOutput", None)

    patches.wrap(StringJSONata, "_eval_body", evaluate)
    patches.wrap(States, "reset", reset)


def _install_variables() -> None:

    def evaluate(_theirs: Any, self: Any, env: Environment) -> None:
        if self.query_language_mode == QueryLanguageMode.JSONata:
            env.stack.append(evaluate_jsonata(self.expression, env))
        else:
            env.stack.append(read_path(self.expression, None, env))

    def assigned(_theirs: Any, self: VariableStore) -> dict[str, str]:
        return {name: json.dumps(self.get(name), separators=(",", ":")) for name in self._declaration_tracing}

    patches.wrap(StringVariableSample, "_eval_body", evaluate)
    patches.wrap(VariableStore, "get_assigned_variables", assigned)


def _install_intrinsics() -> None:

    def visit(_theirs: Any, _self: Any, ctx: Any) -> StringIntrinsicFunction:
        text = json.loads(ctx.STRINGINTRINSICFUNC().getText())
        return StringIntrinsicFunction(intrinsic_function_derivation=text, function=_Intrinsic(text))

    def names(_theirs: Any, definition: str) -> list[str]:
        paths = intrinsics.parse(json.loads(f'"{definition}"')).paths()
        return [variable[1] for path in paths if (variable := _VARIABLE.fullmatch(path))]

    patches.wrap(Preprocessor, "visitString_intrinsic_function", visit)
    patches.wrap(VariableNamesIntrinsicStaticAnalyser, "process_and_get", names)


def tell_evaluation_failure(state: CommonStateField, env: Environment, error: FailureEventException) -> None:
    """Tell the history of a failed evaluation, which LocalStack does where there may be a ``Retry`` alone."""
    if isinstance(state, ExecutionState):
        return
    if error.failure_event.event_type == HistoryEventType.EvaluationFailed and (
        details := error.get_evaluation_failed_event_details()
    ):
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
