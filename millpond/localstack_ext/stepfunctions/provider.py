"""Step Functions as Millpond serves it: LocalStack's provider, changed by the modules beside this one."""

from __future__ import annotations

import json
import re
from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.aws.api.stepfunctions import (
    ExecutionNotRedrivable,
    InvalidDefinition,
    InvalidName,
    InvalidOutput,
    InvalidToken,
    ResourceNotFound,
    ValidationException,
)
from localstack.services.stepfunctions.asl.static_analyser.test_state.test_state_analyser import (
    TestStateStaticAnalyser,
)
from localstack.services.stepfunctions.provider import StepFunctionsProvider

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions import standstill
from millpond.localstack_ext.stepfunctions.definitions import Problem, problems, problems_of_state
from millpond.localstack_ext.stepfunctions.errors import install_errors
from millpond.localstack_ext.stepfunctions.executions import install_notices
from millpond.localstack_ext.stepfunctions.history_logs import install_history_logs
from millpond.localstack_ext.stepfunctions.language import install_language
from millpond.localstack_ext.stepfunctions.map_runs import install_map_runs
from millpond.localstack_ext.stepfunctions.programs import install_programs
from millpond.localstack_ext.stepfunctions.progress import MOST_BYTES, install_progress
from millpond.localstack_ext.stepfunctions.redrive import hindrance, install_redrive, redrive
from millpond.localstack_ext.stepfunctions.tasks import install_tasks
from millpond.localstack_ext.stepfunctions.tested_states import install_tested_states
from millpond.localstack_ext.stepfunctions.timestamps import install_timestamps
from millpond.localstack_ext.stepfunctions.tracing import TracingStepFunctionsProvider, install_tracing

Shape = dict[str, Any]

_MOST_DIAGNOSTICS = 100
_MOST_ON_A_PAGE = 100
# "Names must not contain white space, brackets, wildcards, special or control characters": the API Reference.
_NAME = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}""")


class LakeStepFunctionsProvider(TracingStepFunctionsProvider):
    """Validates definitions, and does what LocalStack's provider leaves out."""

    def on_after_state_load(self) -> None:
        standstill.settle()

    def on_before_state_reset(self) -> None:
        standstill.stop_all()

    @handler("ValidateStateMachineDefinition", expand=False)
    def validate_state_machine_definition(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Shape:
        """Every problem of a definition, up to the limit that is asked for."""
        problems_of_definition = problems(request["definition"])
        diagnostics = [_diagnostic(problem) for problem in problems_of_definition]
        if not diagnostics:
            answer: Any = super().validate_state_machine_definition(context, request)
            diagnostics = list(answer["diagnostics"])
        most = request.get("maxResults") or _MOST_DIAGNOSTICS
        return {
            "result": "FAIL" if diagnostics else "OK",
            "diagnostics": diagnostics[:most],
            "truncated": len(diagnostics) > most,
        }

    @staticmethod
    def _validate_state_machine_execution_arn(execution_arn: str) -> None:
        """As in LocalStack; the state machine of a Map Run has its label after a slash."""
        StepFunctionsProvider._validate_state_machine_execution_arn(
            re.sub(r"(:execution:[^:/]+)/[^:]+", r"\1", execution_arn)
        )

    @handler("StartExecution", expand=False)
    def start_execution(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Start an execution; its input has a largest size."""
        _check_size(request.get("input"), "input")
        if (name := request.get("name")) is not None and not _NAME.fullmatch(name):
            raise InvalidName(f"Invalid Name: '{name}'")
        return super().start_execution(context, **_arguments(request))

    @handler("StartSyncExecution", expand=False)
    def start_sync_execution(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Start an execution and wait for it."""
        _check_size(request.get("input"), "input")
        arguments = _arguments(request)
        alias = self.get_store(context).aliases.get(arguments["state_machine_arn"])
        if alias is not None:
            arguments["state_machine_arn"] = alias.sample()  # type: ignore[no-untyped-call]
        return super().start_sync_execution(context, **arguments)

    @handler("SendTaskSuccess", expand=False)
    def send_task_success(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """End a task with an output that is JSON."""
        _check_size(request["output"], "output")
        try:
            json.loads(request["output"])
        except ValueError as error:
            raise InvalidOutput(f"Invalid Output: '{error}'") from error
        return super().send_task_success(context, **_arguments(request))

    @handler("RedriveExecution", expand=False)
    def redrive_execution(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Let an execution go on where it failed; once for each client token."""
        execution: Any = self._get_execution(context, request["executionArn"])
        tokens = vars(execution).setdefault("redrive_tokens", {})
        token = request.get("clientToken")
        if token is not None and token in tokens:
            return {"redriveDate": tokens[token]}
        if (reason := hindrance(execution)) is not None:
            raise ExecutionNotRedrivable(reason)
        date = redrive(execution)
        if token is not None:
            tokens[token] = date
        return {"redriveDate": date}

    @handler("GetExecutionHistory", expand=False)
    def get_execution_history(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """A page of an execution's history; LocalStack has no pages."""
        arguments = _arguments(request)
        most, token = arguments.pop("max_results", None), arguments.pop("next_token", None)
        answer: Any = super().get_execution_history(context, **arguments)
        return _page(answer["events"], most, token, "events")

    @handler("ListExecutions", expand=False)
    def list_executions(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Executions of a state machine or of a Map Run, also those that were redriven alone."""
        arguments = _arguments(request)
        if (arn := arguments.get("map_run_arn")) is None:
            if arguments.get("state_machine_arn") is None:
                raise ValidationException("Either a state machine ARN or a Map Run ARN is to be given")
            wanted = arguments.pop("redrive_filter", None)
            if (alias := arguments.get("state_machine_arn")) in self.get_store(context).aliases:
                return self._of_alias(context, str(alias), wanted, arguments)
            answer: Any = super().list_executions(context, **arguments)
            executions = [
                execution for execution in answer["executions"] if _is_redriven_as(execution, wanted)
            ]
            return {**answer, "executions": executions}
        if arguments.get("state_machine_arn") is not None:
            raise ValidationException("Either a state machine ARN or a Map Run ARN is to be given")
        status = arguments.get("status_filter")
        listed = [child.to_execution_list_item() for child in self._map_run(context, arn).children()]
        shown = [
            execution
            for execution in sorted(listed, key=lambda execution: execution["startDate"], reverse=True)
            if status in (None, execution["status"])
            and _is_redriven_as(execution, arguments.get("redrive_filter"))
        ]
        return _page(shown, arguments.get("max_results"), arguments.get("next_token"), "executions")

    def _of_alias(self, context: RequestContext, alias: str, wanted: str | None, arguments: Shape) -> Shape:
        """The executions that were started by an alias."""
        status = arguments.get("status_filter")
        executions = [
            execution.to_execution_list_item()
            for execution in self.get_store(context).executions.values()
            if execution.state_machine_alias_arn == alias and status in (None, execution.exec_status)
        ]
        shown = [execution for execution in executions if _is_redriven_as(execution, wanted)]
        shown.sort(key=lambda execution: execution["startDate"], reverse=True)
        return _page(shown, arguments.get("max_results"), arguments.get("next_token"), "executions")

    @handler("CreateActivity", expand=False)
    def create_activity(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make an activity, with its tags."""
        answer: Any = super().create_activity(context, **_arguments(request))
        tags = self._activity_tags(context, answer["activityArn"])
        if tags is not None and not tags:
            tags.update({tag["key"]: tag["value"] for tag in request.get("tags") or []})
        return answer

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Tag a state machine or an activity."""
        if (tags := self._activity_tags(context, request["resourceArn"])) is None:
            return super().tag_resource(context, **_arguments(request))
        tags.update({tag["key"]: tag["value"] for tag in request["tags"]})
        return {}

    @handler("UntagResource", expand=False)
    def untag_resource(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Take tags from a state machine or an activity."""
        if (tags := self._activity_tags(context, request["resourceArn"])) is None:
            return super().untag_resource(context, **_arguments(request))
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """The tags of a state machine or an activity."""
        if (tags := self._activity_tags(context, request["resourceArn"])) is None:
            return super().list_tags_for_resource(context, **_arguments(request))
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _activity_tags(self, context: RequestContext, arn: str) -> dict[str, str] | None:
        """The tags that an activity keeps; None for what is no activity."""
        activity = self.get_store(context).activities.get(arn)
        if activity is None:
            return None
        tags: dict[str, str] = vars(activity).setdefault("tags", {})
        return tags

    @handler("UpdateMapRun", expand=False)
    def update_map_run(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Change a Map Run; its executions that are still to be started follow."""
        names = ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")
        self._map_run(context, request["mapRunArn"]).record.update(*(request.get(name) for name in names))
        return {}

    def _map_run(self, context: RequestContext, arn: str) -> Any:
        for execution in list(self.get_store(context).executions.values()):
            worker = execution.exec_worker
            record: Any = worker and worker.env and worker.env.map_run_record_pool_manager.get(arn)
            if record is not None:
                return record.map_run
        raise ResourceNotFound(f"Resource not found: '{arn}'")


def _arguments(request: Any) -> dict[str, Any]:
    """A request as LocalStack's methods take it."""
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(): value for name, value in request.items()}


def _check_size(data: str | None, name: str) -> None:
    if data is not None and len(data.encode()) > MOST_BYTES:
        raise ValidationException(
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MOST_BYTES}"
        )


def _is_redriven_as(execution: Any, wanted: str | None) -> bool:
    is_redriven = execution.get("redriveCount", 0) > 0
    return wanted is None or is_redriven == (wanted == "REDRIVEN")


def _page(items: list[Any], most: int | None, token: str | None, name: str) -> Shape:
    """A page of a list; its token is the place of the next."""
    try:
        start = int(token or 0)
    except ValueError as error:
        raise InvalidToken(f"Invalid Token: '{token}'") from error
    end = start + (most or _MOST_ON_A_PAGE)
    return {name: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}


def _diagnostic(problem: Problem) -> Shape:
    return {
        "severity": "ERROR",
        "code": problem.code,
        "message": problem.message,
        "location": problem.location or "/",
    }


def _install_validation() -> None:
    """Refuse a definition before LocalStack reads it, with its problems in the error."""

    def validate(by_grammar: Any, definition: str, static_analysers: list[Any]) -> None:
        is_test = any(isinstance(analyser, TestStateStaticAnalyser) for analyser in static_analysers)
        is_one_state = is_test and all(analyser.state_name is None for analyser in static_analysers)
        problems_of_definition = (problems_of_state if is_one_state else problems)(definition)
        if problems_of_definition:
            shown = ", ".join(f"'{problem}'" for problem in problems_of_definition)
            raise InvalidDefinition(f"Invalid State Machine Definition: {shown}")
        by_grammar(definition, static_analysers)

    patches.wrap(StepFunctionsProvider, "_validate_definition", validate)


def install() -> None:
    """Let LocalStack's Step Functions use what Millpond has for them."""
    install_errors()
    install_language()
    install_programs()
    install_history_logs()
    install_progress()
    install_map_runs()
    install_redrive()
    install_tested_states()
    install_notices()
    install_tasks()
    install_tracing()
    install_timestamps()
    _install_validation()
