"""Distributed Maps: every item, or batch of items, is an execution of its own.

Source: "Using Map state in Distributed mode" and the pages of its fields in the Step Functions developer
guide; ``DescribeMapRun``, ``ListMapRuns``, ``UpdateMapRun`` in the API Reference. An item whose execution
fails counts as failed, and the state fails with ``States.ExceedToleratedFailureThreshold`` when there are
more of them than it tolerates: none, if it does not say. LocalStack runs the items inside the parent, and a
failed one leaves null in the output of a state that succeeds.

At most 40 executions run at the same time, whatever ``MaxConcurrency`` says. Their starts and ends are not
told to EventBridge.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localstack.aws.api.stepfunctions import (
    ExecutionStatus,
    HistoryEventType,
    MapRunFailedEventDetails,
    MapRunRedrivenEventDetails,
    MapRunStartedEventDetails,
    MapRunStatus,
    MapStateStartedEventDetails,
    StateMachineType,
)
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEventException,
)
from localstack.services.stepfunctions.asl.component.common.timeouts.timeout import TimeoutSeconds
from localstack.services.stepfunctions.asl.component.program.program import Program
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration.itemprocessor.map_run_record import (  # noqa: E501
    MapRunRecord,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.state_map import StateMap
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.credentials import (
    StateCredentials,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.logging import CloudWatchLoggingSession
from localstack.services.stepfunctions.asl.utils.boto_client import boto_client_for
from localstack.services.stepfunctions.backend.execution import (
    BaseExecutionWorkerCommunication,
    Execution,
)
from localstack.services.stepfunctions.backend.state_machine import StateMachineRevision
from localstack.services.stepfunctions.backend.store import sfn_stores
from localstack.utils.strings import long_uid

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions import map_items, map_results
from millpond.localstack_ext.stepfunctions.definitions import JSONATA, S3_GET
from millpond.localstack_ext.stepfunctions.errors import (
    ITEM_READER_FAILED,
    RESULT_WRITER_FAILED,
    RUNTIME,
    THRESHOLD_EXCEEDED,
    failure,
)
from millpond.localstack_ext.stepfunctions.programs import fill, is_distributed, processor_of, read
from millpond.localstack_ext.stepfunctions.progress import progress_of
from millpond.localstack_ext.stepfunctions.redrive import redrive

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Shape = Mapping[str, Any]

MOST_AT_ONCE = 40
_EXPRESS_SECONDS = 300
# How long a Map that fails waits for its children to end; what they call may not be broken off.
_SECONDS_TO_STOP = 10.0
_COUNTED = {
    ExecutionStatus.SUCCEEDED: "succeeded",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.TIMED_OUT: "timed_out",
    ExecutionStatus.ABORTED: "aborted",
}


class ChildExecution(Execution):
    """The execution of one item or batch; it runs the Map's inner program."""

    map_run: MapRun
    program: Program

    def _get_start_execution_worker(self) -> Any:
        worker: Any = super()._get_start_execution_worker()
        worker._get_evaluation_entrypoint = lambda: self.program
        return worker

    def _get_start_execution_worker_comm(self) -> BaseExecutionWorkerCommunication:
        return _ChildEnds(self)

    def to_describe_output(self) -> Any:
        """As any execution, and the Map Run that it belongs to."""
        return {**super().to_describe_output(), "mapRunArn": self.map_run.record.map_run_arn}

    def to_execution_list_item(self) -> Any:
        """As any execution, with the Map Run and the number of its items."""
        arn, many = self.map_run.record.map_run_arn, self.map_run.items_of(self)
        return {**super().to_execution_list_item(), "mapRunArn": arn, "itemCount": many}

    def publish_execution_status_change_event(self) -> None:
        """Nothing: EventBridge is not told of children, as the module says."""


class _ChildEnds(BaseExecutionWorkerCommunication):
    def terminated(self) -> None:
        super().terminated()
        child: Any = self.execution
        child.map_run.ended(child)


@dataclass
class _Item:
    """What a child is started with: its input, how many items are in it, and its execution."""

    given: Any
    many: int
    child: ChildExecution | None = None


@dataclass(frozen=True)
class Tolerance:
    """How many items may fail: a count, a percentage, or none of both for no item."""

    count: int | None
    percentage: float | None

    def is_exceeded(self, failed: int, total: int) -> bool:
        """Whether so many of the items are too many."""
        by_count = self.count is not None and failed > self.count
        by_share = self.percentage is not None and failed * 100 > self.percentage * total
        is_given = self.count is not None or self.percentage is not None
        return by_count or by_share or (failed > 0 and not is_given)


class MapRun:
    """One run of a distributed Map."""

    def __init__(self, state: Any, env: Environment, concurrency: int) -> None:
        self._state, self._env = state, env
        self._definition: Shape = state.definition
        self._language = str(self._definition["QueryLanguage"])
        self._document = env.stack[-1] if self._language != JSONATA else env.states.get_input()
        self._ended = threading.Condition()
        self.tolerance = Tolerance(
            self._number("ToleratedFailureCount", int), self._number("ToleratedFailurePercentage", float)
        )
        context = env.states.context_object.context_object_data
        self.record = MapRunRecord(
            state_machine_arn=context["StateMachine"]["Id"],
            execution_arn=context["Execution"]["Id"],
            max_concurrency=concurrency,
            tolerated_failure_count=self.tolerance.count or 0,
            tolerated_failure_percentage=self.tolerance.percentage or 0.0,
            label=self._definition.get("Label"),
        )
        vars(self.record)["map_run"] = self
        self._items: list[_Item] = []
        self._running: list[_Item] = []

    # Items

    def prepare(self) -> None:
        """Read the items and make the inputs of the children.

        Raises
        ------
        FailureEventException
            ``States.ItemReaderFailed`` if the items cannot be read.
        """
        try:
            items = self._read_items()
            inputs = self._selected(items)
            batcher = self._definition.get("ItemBatcher")
            if batcher is None:
                self._items = [_Item(item, 1) for item in inputs]
            else:
                self._items = self._batched(inputs, batcher)
        except map_items.ItemReaderError as error:
            raise failure(self._env, ITEM_READER_FAILED, str(error)) from error
        for counter, total in (
            (self.record.item_counter, len(inputs)),
            (self.record.execution_counter, len(self._items)),
        ):
            counter.total.count(total)
            counter.pending.count(total)

    def _read_items(self) -> list[Any]:
        reader = self._definition.get("ItemReader")
        if reader is not None:
            return self._read_with(reader)
        if self._language == JSONATA:
            items = self._filled(self._definition.get("Items", "{% $states.input %}"))
        else:
            items = read(self._definition.get("ItemsPath", "$"), self._document, self._env)
        if not isinstance(items, list):
            cause = f"Map state input must be an array but was: {type(items).__name__}"
            raise failure(self._env, RUNTIME, cause)
        return items

    def _read_with(self, reader: Shape) -> list[Any]:
        parameters = self._filled(reader.get("Parameters", reader.get("Arguments", {})))
        config = reader.get("ReaderConfig", {})
        most = self._number_of(config, "MaxItems", int)
        s3 = self._s3()
        try:
            if reader["Resource"] == S3_GET:
                data = s3.get_object(**parameters)["Body"].read()
                return map_items.limited(
                    map_items.items_of_file(s3, parameters["Bucket"], data, config), most
                )
            return map_items.limited(self._listed(s3, parameters, config), most)
        except map_items.ItemReaderError:
            raise
        except Exception as error:
            # Any error of S3 or of the file's format is States.ItemReaderFailed for the state machine.
            raise map_items.ItemReaderError(str(error)) from error

    def _listed(self, s3: S3Client, parameters: Shape, config: Shape) -> Any:
        for entry in map_items.listed(s3, parameters):
            if config.get("Transformation") != "LOAD_AND_FLATTEN":
                yield entry
                continue
            data = s3.get_object(Bucket=parameters["Bucket"], Key=entry["Key"])["Body"].read()
            yield from map_items.items_of_file(s3, parameters["Bucket"], data, config)

    def _selected(self, items: list[Any]) -> list[Any]:
        selector = self._definition.get("ItemSelector", self._definition.get("Parameters"))
        if selector is None:
            return items
        context: dict[str, Any] = self._env.states.context_object.context_object_data  # type: ignore[assignment]
        selected = []
        for index, item in enumerate(items):
            context["Map"] = {"Item": {"Index": index, "Value": item}}
            selected.append(self._filled(selector))
        context.pop("Map", None)
        return selected

    def _batched(self, inputs: list[Any], batcher: Shape) -> list[_Item]:
        shared = self._filled(batcher["BatchInput"]) if "BatchInput" in batcher else None
        most = self._number_of(batcher, "MaxItemsPerBatch", int)
        most_bytes = self._number_of(batcher, "MaxInputBytesPerBatch", int)
        around = {} if shared is None else {"BatchInput": shared}
        return [
            _Item({**around, "Items": batch}, len(batch))
            for batch in map_items.batches(inputs, most, most_bytes, shared)
        ]

    def _filled(self, template: Any) -> Any:
        return fill(template, self._document, self._env, self._language)

    def _number(self, name: str, kind: type) -> Any:
        return self._number_of(self._definition, name, kind)

    def _number_of(self, holder: Shape, name: str, kind: type) -> Any:
        """A number that is given as it is, by a path or as an expression; None if it is not given."""
        if f"{name}Path" in holder:
            value = read(holder[f"{name}Path"], self._document, self._env)
        elif name in holder:
            value = self._filled(holder[name])
        else:
            return None
        try:
            number = kind(value)
        except (TypeError, ValueError):
            number = -1
        if number < 0 or isinstance(value, bool) or (name.endswith("Percentage") and number > 100):
            raise failure(self._env, RUNTIME, f"{json.dumps(value)} is no {name}")
        return number

    # Children

    def resume(self, env: Environment) -> None:
        """Go on with the children that did not succeed, after the parent was redriven."""
        self._env = env
        record = vars(self.record)
        record.update(
            status=MapRunStatus.RUNNING,
            stop_date=None,
            redrive_count=record.get("redrive_count", 0) + 1,
            redrive_date=datetime.datetime.now(tz=datetime.UTC),
        )
        details = MapRunRedrivenEventDetails(
            mapRunArn=self.record.map_run_arn, redriveCount=record["redrive_count"]
        )
        _tell(env, HistoryEventType.MapRunRedriven, mapRunRedrivenEventDetails=details)

    def run(self) -> Any:
        """Run the children; the state's output."""
        waiting = [item for item in self._items if not self._is_successful(item)]
        waiting.reverse()
        for item in waiting:
            if item.child is not None:
                self._count(item, _COUNTED[item.child.exec_status], -1)  # type: ignore[index]
                self._count(item, "pending", 1)
        with self._ended:
            while waiting or self._running:
                if not self._env.is_running() or self._is_exceeded():
                    break
                while waiting and len(self._running) < self._most_at_once():
                    self._running.append(waiting.pop())
                    self._start(self._running[-1])
                self._ended.wait(timeout=1)
            self._stop([item.child for item in self._running if item.child is not None])
            deadline = time.monotonic() + _SECONDS_TO_STOP
            while self._running and time.monotonic() < deadline:
                self._ended.wait(timeout=1)
        return self._results()

    def _most_at_once(self) -> int:
        return min(self.record.max_concurrency or MOST_AT_ONCE, MOST_AT_ONCE)

    def _start(self, item: _Item) -> None:
        self._count(item, "pending", -1)
        self._count(item, "running", 1)
        if item.child is None or item.child.sm_type == StateMachineType.EXPRESS:
            item.child = self._child(item)
            item.child.start()
        else:
            redrive(item.child)

    def _child(self, item: _Item) -> ChildExecution:
        details, record = self._env.aws_execution_details, self.record
        config = processor_of(self._definition)["ProcessorConfig"]
        kind = StateMachineType(config["ExecutionType"])
        name = long_uid()
        machine_arn = record.map_state_machine_arn
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        parent = self._env.cloud_watch_logging_session
        child = ChildExecution(
            name=name,
            sm_type=kind,
            role_arn=details.role_arn,
            exec_arn=arn,
            account_id=details.account,
            region_name=details.region,
            state_machine=StateMachineRevision(
                name=machine_arn.rsplit(":", 1)[1],
                arn=machine_arn,
                definition=json.dumps(processor_of(self._definition)),
                role_arn=details.role_arn,
                logging_config={},
                cloud_watch_logging_configuration=None,
                sm_type=kind,
            ),
            start_date=datetime.datetime.now(tz=datetime.UTC),
            cloud_watch_logging_session=(
                parent and CloudWatchLoggingSession(execution_arn=arn, configuration=parent.configuration)
            ),
            activity_store=self._env.activity_store,
            input_data=item.given,
        )
        child.map_run = self
        child.program = self._program(kind)
        if kind == StateMachineType.STANDARD:
            store = sfn_stores[details.account][details.region]
            store.executions[arn] = child
        return child

    def _program(self, kind: StateMachineType) -> Program:
        component = self._state.iteration_component
        limit = TimeoutSeconds(_EXPRESS_SECONDS) if kind == StateMachineType.EXPRESS else None
        return Program(component._query_language, component._start_at, component._states, limit)

    def ended(self, child: ChildExecution) -> None:
        """Count a child that has ended."""
        item = next(item for item in self._items if item.child is child)
        with self._ended:
            self._running.remove(item)
            self._count(item, "running", -1)
            self._count(item, _COUNTED[child.exec_status], 1)  # type: ignore[index]
            self._ended.notify_all()

    def _count(self, item: _Item, name: str, by: int) -> None:
        getattr(self.record.execution_counter, name).offset(by)
        getattr(self.record.item_counter, name).offset(by * item.many)

    def items_of(self, child: ChildExecution) -> int:
        """How many items a child has."""
        return next(item.many for item in self._items if item.child is child)

    def children(self) -> list[ChildExecution]:
        """The executions that were started, of standard workflows."""
        return [
            item.child
            for item in self._items
            if item.child is not None and item.child.sm_type == StateMachineType.STANDARD
        ]

    def _is_successful(self, item: _Item) -> bool:
        return item.child is not None and item.child.exec_status == ExecutionStatus.SUCCEEDED

    def _is_exceeded(self) -> bool:
        counter = self.record.item_counter
        failed = counter.failed.get() + counter.timed_out.get()
        return self.tolerance.is_exceeded(failed, counter.total.get())

    def _stop(self, children: list[ChildExecution]) -> None:
        now = datetime.datetime.now(tz=datetime.UTC)
        for child in children:
            child.stop(now, None, None)

    # Results

    def _results(self) -> Any:
        """The state's output; what there is of it is written also when the state fails.

        Raises
        ------
        FailureEventException
            If too many items have failed, or the results cannot be written.
        """
        writer = self._definition.get("ResultWriter", {})
        config = writer.get("WriterConfig", {})
        is_exported = "Resource" in writer
        transformation = config.get(
            "Transformation", map_results.NONE if is_exported else map_results.COMPACT
        )
        output: Any = None
        if is_exported:
            output = self._write(writer, transformation, config.get("OutputType", "JSON"))
        if self._is_exceeded():
            raise failure(
                self._env, THRESHOLD_EXCEEDED, "The specified tolerated failure threshold was exceeded"
            )
        if is_exported:
            return output
        children = [map_results.details(item.child) for item in self._items if item.child is not None]
        return map_results.transformed(children, transformation)

    def _write(self, writer: Shape, transformation: str, kind: str) -> Any:
        place = self._filled(writer.get("Parameters", writer.get("Arguments", {})))
        results: dict[str, list[Any]] = {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
        for item in self._items:
            if item.child is None:
                results["PENDING"].append({"Input": json.dumps(item.given), "Status": "PENDING"})
            else:
                status = "SUCCEEDED" if self._is_successful(item) else "FAILED"
                results[status].append(map_results.details(item.child))
        self._count_written(len(results["SUCCEEDED"]))
        results["SUCCEEDED"] = map_results.transformed(results["SUCCEEDED"], transformation)
        arn = self.record.map_run_arn
        try:
            return map_results.write(self._s3(), place["Bucket"], place.get("Prefix", ""), arn, results, kind)
        except Exception as error:
            # Any error of S3 is States.ResultWriterFailed for the state machine.
            raise failure(self._env, RESULT_WRITER_FAILED, str(error)) from error

    def _count_written(self, executions: int) -> None:
        items = sum(item.many for item in self._items if self._is_successful(item))
        for counter, many in ((self.record.execution_counter, executions), (self.record.item_counter, items)):
            counter.results_written.offset(many - counter.results_written.get())

    def _s3(self) -> Any:
        details = self._env.aws_execution_details
        return boto_client_for("s3", details.region, StateCredentials(role_arn=details.role_arn))


def install_map_runs() -> None:
    """Let LocalStack's Map states in distributed mode run as above."""

    def evaluate(theirs: Any, self: Any, env: Environment) -> None:
        if is_distributed(getattr(self, "definition", {})):
            _evaluate(self, env)
        else:
            theirs(self, env)

    patches.wrap(StateMap, "_eval_execution", evaluate)
    _install_records()


def _install_records() -> None:
    """A Map Run tells how often it was redriven, and only the tolerance that it has."""

    def describe(theirs: Any, self: Any) -> Any:
        date = vars(self).get("redrive_date")
        return {
            **theirs(self),
            "redriveCount": vars(self).get("redrive_count", 0),
            **({"redriveDate": date} if date else {}),
        }

    def update(theirs: Any, self: Any, max_concurrency: Any, count: Any, percentage: Any) -> None:
        theirs(self, max_concurrency, count, percentage)
        run = self.map_run
        run.tolerance = Tolerance(
            run.tolerance.count if count is None else count,
            run.tolerance.percentage if percentage is None else percentage,
        )

    patches.wrap(MapRunRecord, "describe", describe)
    patches.wrap(MapRunRecord, "update", update)


def _evaluate(state: Any, env: Environment) -> None:
    state.max_concurrency_decl.eval(env=env)
    concurrency = env.stack.pop()
    progress = progress_of(env)
    progress.begin()
    run = progress.map_run
    _tell(
        env,
        HistoryEventType.MapStateStarted,
        mapStateStartedEventDetails=MapStateStartedEventDetails(length=0),
    )
    try:
        if run is None:
            run = MapRun(state, env, concurrency)
            env.map_run_record_pool_manager.add(run.record)
            _tell_started(env, run)
            run.prepare()
            progress.map_run = run
        else:
            run.resume(env)
        output = run.run()
    except FailureEventException as error:
        _fail(env, run, error)
        raise
    if not env.is_running():
        run.record.set_stop(MapRunStatus.ABORTED)
        _tell(env, HistoryEventType.MapRunAborted)
        return
    run.record.set_stop(MapRunStatus.SUCCEEDED)
    _tell(env, HistoryEventType.MapRunSucceeded)
    env.stack.append(output)
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=HistoryEventType.MapStateSucceeded,
        update_source_event_id=False,
    )


def _tell_started(env: Environment, run: MapRun) -> None:
    details = MapRunStartedEventDetails(mapRunArn=run.record.map_run_arn)
    _tell(env, HistoryEventType.MapRunStarted, mapRunStartedEventDetails=details)


def _fail(env: Environment, run: MapRun | None, error: FailureEventException) -> None:
    name, cause = error.extract_error_cause_pair() or (None, None)
    if run is not None:
        run.record.set_stop(MapRunStatus.FAILED)
        details = MapRunFailedEventDetails(error=name or "", cause=cause or "")
        _tell(env, HistoryEventType.MapRunFailed, mapRunFailedEventDetails=details)


def _tell(env: Environment, kind: HistoryEventType, **details: Any) -> None:
    event_details: Any = details or None
    env.event_manager.add_event(
        context=env.event_history_context, event_type=kind, event_details=event_details
    )
