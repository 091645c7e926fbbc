"""Glue's jobs, runs and connections, answered for real; every other Glue operation is not this plane's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from botocore import xform_name

from millpond.planes.common.clock import Clock
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients
from millpond.planes.common.state import ENDED
from millpond.planes.common.telemetry import Reporter, Telemetry
from millpond.planes.glue import arguments, connections, events, jobs, metrics, places, runs, spark, versions
from millpond.planes.glue.bookmarks import JobBookmarks
from millpond.planes.glue.catalog import Catalog
from millpond.planes.glue.catalog.databases import Databases, Functions
from millpond.planes.glue.catalog.optimizers import Optimizers
from millpond.planes.glue.catalog.partitions import Partitions
from millpond.planes.glue.catalog.settings import CatalogSettings
from millpond.planes.glue.catalog.statistics import ColumnStatistics
from millpond.planes.glue.catalog.statistics_runs import StatisticsRuns
from millpond.planes.glue.catalog.tables import Tables
from millpond.planes.glue.crawlers import Crawlers
from millpond.planes.glue.crawlers.classifiers import Classifiers
from millpond.planes.glue.crawlers.crawling import Crawling
from millpond.planes.glue.crawlers.store import CrawlerState
from millpond.planes.glue.databases import database_of, read_secret
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ConcurrentRunsExceededException,
    EntityNotFoundException,
    GlueError,
    IdempotentParameterMismatchException,
    InvalidInputException,
    LaunchError,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.profiles import UsageProfiles
from millpond.planes.glue.quality import QualityRuns, QualityState, QualityStatistics, Results, Rulesets
from millpond.planes.glue.requests import chosen
from millpond.planes.glue.requests import found as _found
from millpond.planes.glue.requests import now as _now
from millpond.planes.glue.requests import required as _required
from millpond.planes.glue.runs import JobRun, Shape, State
from millpond.planes.glue.schemas import SchemaRegistry
from millpond.planes.glue.sessions import SessionOperations, Sessions
from millpond.planes.glue.supervisor import SESSION, ActiveRun, Outcome, Supervisor
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.tasks import Tasks
from millpond.planes.glue.workers import Workers
from millpond.planes.glue.workflows import Automation, Ended, Origin, Work
from millpond.planes.glue.workflows.triggers import Triggers
from millpond.planes.glue.workflows.workflows import Workflows
from millpond.planes.network import Place

Request = Mapping[str, Any]

_LOG = logging.getLogger(__name__)

_RUNS_PAGE = 200
_STOP_SECONDS = 20.0
_WAITING_MINUTES = 15


class Part(Protocol):
    """Operations that belong together: each is a method of the name that botocore's clients have for it."""

    @property
    def OPERATIONS(self) -> tuple[str, ...]: ...  # noqa: N802


class GluePlane(SessionOperations):
    """The operations in ``OPERATIONS``, each a method that takes the request and returns the response.

    Parameters
    ----------
    context : PlaneContext
        The stack, with the account and the region that it serves.
    telemetry : Telemetry
        Takes the events and metrics of runs.
    workers : Workers
        Executes scripts, for every account and region.

    Examples
    --------
    >>> plane = GluePlane(context, Telemetry(context), Workers(context))  # doctest: +SKIP
    >>> plane.start_job_run({"JobName": "ingest"})  # doctest: +SKIP
    {'JobRunId': 'jr_…'}
    """

    KEPT = (
        "_jobs",
        "_job_requests",
        "_connections",
        "_tags",
        "_runs",
        "_bookmarks",
        "_catalog",
        "_automation",
        "_crawlers",
        "_registry",
        "_quality",
        "_statistics",
        "_optimizers",
        "_profiles",
    )

    def __init__(self, context: PlaneContext, telemetry: Telemetry, workers: Workers) -> None:
        self._reporter = Reporter(telemetry, context)
        self._context = context
        self._seconds_per_minute = workers.settings.seconds_per_timeout_minute
        self._lock = threading.RLock()
        self._turns = threading.Condition(self._lock)
        self._jobs: dict[str, Shape] = {}
        self._job_requests: dict[str, Shape] = {}
        self._connections: dict[str, Shape] = {}
        self._tags = Tags(context)
        self._runs: dict[str, list[JobRun]] = {}
        self._active: dict[str, ActiveRun] = {}
        self._bookmarks = JobBookmarks()
        self._is_closed = False
        self._workers = workers
        self._clients = clients = Clients(context, "glue.amazonaws.com")

        def supervisor(on_running: Callable[[JobRun], None]) -> Supervisor:
            return Supervisor(context, clients, workers, on_running, lambda: self._connections)

        self._supervisor = supervisor(self._mark_running)
        self._sessions = Sessions(
            supervisor,
            context.state_dir / "glue" / "sessions" / context.account_id / context.region,
            context.tools.glue_runtime,
            workers.settings.seconds_per_timeout_minute,
        )
        self._catalog = catalog = Catalog(context)
        self._clock = Clock("glue")
        crawler_state = CrawlerState()
        self._crawlers = Crawlers(
            crawler_state,
            self._tags,
            self._clock,
            Crawling(context, clients, self, crawler_state),
            lambda ended: self._automation.ended(ended),
            self._reporter.event,
        )
        self._automation = Automation(
            {
                "Job": Work(self._start_job, self._stop_attempt, self._look_attempt),
                "Crawler": Work(self._crawlers.start, self._crawlers.stop, self._crawlers.look),
            },
            self._clock,
        )
        self._registry = SchemaRegistry(context, self._tags)
        self._tasks = tasks = Tasks(
            supervisor,
            context.state_dir / "glue" / "tasks" / context.account_id / context.region,
            context.tools.glue_runtime,
        )
        self._statistics = StatisticsRuns(catalog, tasks, self._clock)
        self._optimizers = Optimizers(catalog, tasks, self._clock, lambda: clients.own("s3"))
        self._profiles = UsageProfiles(self._tags)
        self._quality = quality = QualityState()
        rulesets = Rulesets(quality, self._tags, context.tools.glue_runtime)
        self._results = results = Results(quality, self._reporter)
        parts: tuple[Part, ...] = (
            self._tags,
            Databases(catalog, self._tags),
            Functions(catalog),
            Tables(catalog, lambda: clients.own("s3")),
            Partitions(catalog),
            ColumnStatistics(catalog),
            self._statistics,
            self._optimizers,
            CatalogSettings(catalog),
            Triggers(self._automation, self._tags),
            Workflows(self._automation, self._tags),
            self._crawlers,
            Classifiers(crawler_state),
            self._registry,
            rulesets,
            results,
            QualityRuns(quality, rulesets, results, catalog, tasks),
            QualityStatistics(quality),
            self._profiles,
        )
        for part in parts:
            for operation in part.OPERATIONS:
                setattr(self, xform_name(operation), getattr(part, xform_name(operation)))

    def catalog_policy(self) -> str | None:
        """The resource policy of the catalog, as JSON; None if it has none."""
        found = self._catalog.state.policies.get(self._context.arn("glue", "catalog"))
        return found["PolicyInJson"] if found else None

    def settle(self) -> None:
        """End the runs that an engine before has left."""
        with self._lock:
            for run in (one for of_job in self._runs.values() for one in of_job):
                if run.state is State.STOPPING:
                    run.advance(State.STOPPED, _now())
                elif not run.state.is_final:
                    run.advance(State.FAILED, _now(), ENDED)

    def close(self) -> None:
        """Stop every run."""
        self._clock.close()
        self._crawlers.close()
        with self._lock:
            self._is_closed = True
            active = list(self._active.values())
            for one in active:
                self._request_stop(one)
        self._sessions.close()
        self._tasks.close()
        for one in active:
            if one.thread is not None:
                one.thread.join(timeout=_STOP_SECONDS)

    # Jobs

    def create_job(self, request: Request) -> Shape:
        name = _required(request, "Name")
        now = _now()
        definition = jobs.define(name, request, created=now, modified=now)
        with self._lock:
            if name in self._jobs:
                if self._job_requests[name] == request:
                    return {"Name": name}
                raise IdempotentParameterMismatchException(
                    f"Job with name {name} already submitted with different configuration."
                )
            self._jobs[name] = definition
            self._job_requests[name] = dict(request)
            self._tags.create("job", name, request.get("Tags"))
        if definition["Command"]["Name"] in jobs.SPARK_COMMANDS:
            self._start_ahead(definition)
        return {"Name": name}

    def get_job(self, request: Request) -> Shape:
        with self._lock:
            return {"Job": dict(self._job(_required(request, "JobName")))}

    def get_jobs(self, request: Request) -> Shape:
        with self._lock:
            found, token = page(sorted(self._jobs.values(), key=lambda job: str(job["Name"])), request)
        return {"Jobs": found, **token}

    def batch_get_jobs(self, request: Request) -> Shape:
        names = _required(request, "JobNames")
        with self._lock:
            return {
                "Jobs": [self._jobs[name] for name in names if name in self._jobs],
                "JobsNotFound": [name for name in names if name not in self._jobs],
            }

    def list_jobs(self, request: Request) -> Shape:
        with self._lock:
            names = self._tags.fitting("job", sorted(self._jobs), request)
        found, token = page(names, request)
        return {"JobNames": found, **token}

    def update_job(self, request: Request) -> Shape:
        name = _required(request, "JobName")
        with self._lock:
            old = self._job(name)
            update = _required(request, "JobUpdate")
            self._jobs[name] = jobs.define(name, update, created=old["CreatedOn"], modified=_now())
            self._job_requests[name] = {"Name": name, **update}
        return {"JobName": name}

    def delete_job(self, request: Request) -> Shape:
        """Forget a job; AWS answers the same when there was none."""
        name = _required(request, "JobName")
        with self._lock:
            for store in (self._jobs, self._job_requests, self._runs):
                store.pop(name, None)
            self._bookmarks.forget(name)
            self._tags.forget("job", name)
        return {"JobName": name}

    # Runs

    def start_job_run(self, request: Request) -> Shape:
        return {"JobRunId": self._start_run(request, None)}

    def _start_run(self, request: Request, origin: Origin | None) -> str:
        name = _required(request, "JobName")
        with self._lock:
            job = self._job(name)
            if self._is_closed:
                raise InvalidInputException("The stack is stopping: no run can be started")
            given = _checked_arguments(request.get("Arguments") or {}) | (
                origin.arguments() if origin else {}
            )
            settings = runs.settings_of(job, request)
            repeated = self._run(name, request["JobRunId"]) if request.get("JobRunId") else None
            run = JobRun(
                id=runs.new_id(),
                job=dict(job),
                arguments=given,
                settings=settings,
                started_on=_now(),
                attempt=repeated.attempt + 1 if repeated else 0,
                previous_run_id=repeated.id if repeated else None,
                origin=origin,
            )
            if self._is_full(job):
                if not run.may_wait:
                    raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for {name}")
                run.state = State.WAITING
            self._begin(run)
        return run.id

    def get_job_run(self, request: Request) -> Shape:
        with self._lock:
            run = self._run(_required(request, "JobName"), _required(request, "RunId"))
            return {"JobRun": run.to_api()}

    def place_of_session(self, name: str) -> Place | None:
        """Where the run whose role's session has a name stands; None if it is none, or in no VPC."""
        mark = name.removeprefix(f"{SESSION}-")
        with self._lock:
            runs = (run for of_job in self._runs.values() for run in reversed(of_job))
            run = next((one for one in runs if one.id[3:19] == mark), None)
            names = (run.job.get("Connections") or {}).get("Connections", []) if run else []
            found = [self._connections[one] for one in names if one in self._connections]
        return next((places.place_of(one) for one in found if places.has_place(one)), None)

    def has_ended(self, name: str, run_id: str) -> bool:
        """Whether a run has ended, or is not there (any more)."""
        with self._lock:
            return all(run.id != run_id or run.state.is_final for run in self._runs.get(name, []))

    def get_job_runs(self, request: Request) -> Shape:
        name = _required(request, "JobName")
        with self._lock:
            self._job(name)
            newest_first = [run.to_api() for run in reversed(self._runs.get(name, []))]
        found, token = page(newest_first, request, _RUNS_PAGE)
        return {"JobRuns": found, **token}

    def batch_stop_job_run(self, request: Request) -> Shape:
        name = _required(request, "JobName")
        stopped: list[Shape] = []
        errors: list[Shape] = []
        with self._lock:
            self._job(name)
            for run_id in _required(request, "JobRunIds"):
                try:
                    self._stop(self._run(name, run_id))
                    stopped.append({"JobName": name, "JobRunId": run_id})
                except GlueError as error:
                    detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                    errors.append({"JobName": name, "JobRunId": run_id, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    # Bookmarks

    def get_job_bookmark(self, request: Request) -> Shape:
        with self._lock:
            return {
                "JobBookmarkEntry": self._bookmarks.get(_required(request, "JobName"), request.get("RunId"))
            }

    def reset_job_bookmark(self, request: Request) -> Shape:
        name = _required(request, "JobName")
        with self._lock:
            return {"JobBookmarkEntry": self._bookmarks.reset(name, request.get("RunId"))}

    # Connections

    def create_connection(self, request: Request) -> Shape:
        now = _now()
        definition = connections.define(_required(request, "ConnectionInput"), created=now, modified=now)
        name = str(definition["Name"])
        with self._lock:
            if name in self._connections:
                raise AlreadyExistsException(f"Connection {name} already exists.")
            self._connections[name] = definition
            self._tags.create("connection", name, request.get("Tags"))
        return {"CreateConnectionStatus": "READY"}

    def get_connection(self, request: Request) -> Shape:
        with self._lock:
            connection = self._connection(_required(request, "Name"))
        return {"Connection": _shown(connection, request)}

    def get_connections(self, request: Request) -> Shape:
        criteria = request.get("Filter") or {}
        with self._lock:
            found = [one for one in self._connections.values() if connections.matches(one, criteria)]
        listed, token = page(sorted(found, key=lambda one: str(one["Name"])), request)
        return {"ConnectionList": [_shown(one, request) for one in listed], **token}

    def update_connection(self, request: Request) -> Shape:
        name = _required(request, "Name")
        with self._lock:
            old = self._connection(name)
            given = {**_required(request, "ConnectionInput"), "Name": name}
            self._connections[name] = connections.define(given, created=old["CreationTime"], modified=_now())
        return {}

    def test_connection(self, request: Request) -> Shape:
        """Open the database of a connection that there is, or of one that is described, and ask it something.

        Raises
        ------
        InvalidInputException
            If it cannot be opened, with what its driver says, or its place in a VPC is none that Glue takes,
            where networks are in force.
        """
        given = request.get("TestConnectionInput")
        if given:
            connection = connections.define({"Name": "test", **given}, created=_now(), modified=_now())
        else:
            with self._lock:
                connection = dict(self._connection(_required(request, "ConnectionName")))
        if self._workers.iam_mode() == "enforce" and places.has_place(connection):
            ec2, region = self._clients.own("ec2"), self._context.region
            reason = places.refusal(ec2, region, connection) or places.without_database(
                ec2, region, connection
            )
            if reason:
                raise InvalidInputException(reason)
        with (
            database_of(connection, partial(read_secret, self._clients)).opened() as opened,
            opened.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
        return {}

    def delete_connection(self, request: Request) -> Shape:
        name = _required(request, "ConnectionName")
        with self._lock:
            self._connection(name)
            del self._connections[name]
            self._tags.forget("connection", name)
        return {}

    def batch_delete_connection(self, request: Request) -> Shape:
        succeeded: list[str] = []
        errors: dict[str, Shape] = {}
        for name in _required(request, "ConnectionNameList"):
            try:
                self.delete_connection({"ConnectionName": name})
                succeeded.append(name)
            except EntityNotFoundException as error:
                errors[name] = {"ErrorCode": error.code, "ErrorMessage": error.message}
        return {"Succeeded": succeeded, "Errors": errors}

    def _tag(self, kind: str, name: str, tags: dict[str, str] | None) -> None:
        if tags is None:
            self._tags.forget(kind, name)
        else:
            self._tags.adopt(kind, name, tags)

    # Looking up; the lock is held

    def _job(self, name: str) -> Shape:
        return _found(self._jobs, name, f"Job {name} not found.")

    def _connection(self, name: str) -> Shape:
        return _found(self._connections, name, f"Connection {name} not found.")

    def _run(self, name: str, run_id: str) -> JobRun:
        for run in self._runs.get(name, []):
            if run.id == run_id:
                return run
        raise EntityNotFoundException(f"Job Run {run_id} of job {name} not found.")

    def notify_event(self, workflow: str, event_id: str) -> None:
        """An event of EventBridge came for a workflow.

        Raises
        ------
        EntityNotFoundException, InvalidInputException
            If there is no such workflow, or no trigger of it is for events.
        """
        self._automation.notify_event(workflow, event_id)

    # Jobs as triggers start them

    def _start_job(self, name: str, action: Request, origin: Origin) -> str:
        settings = ("Arguments", "Timeout", "SecurityConfiguration", "NotificationProperty")
        return self._start_run({"JobName": name, **chosen(action, *settings)}, origin)

    def _stop_attempt(self, name: str, run_id: str) -> None:
        with self._lock:
            self._stop(self._attempt(name, run_id))

    def _look_attempt(self, name: str, run_id: str) -> Shape:
        with self._lock:
            return self._attempt(name, run_id).to_api()

    def _attempt(self, name: str, run_id: str) -> JobRun:
        """The last attempt of a run."""
        for run in reversed(self._runs.get(name, [])):
            if _first_id(run) == run_id:
                return run
        raise EntityNotFoundException(f"Job Run {run_id} of job {name} not found.")

    # Runs in progress

    def _start_ahead(self, job: Shape) -> None:
        try:
            parameters = arguments.parse(arguments.merge(job, {}))
            version, _ = versions.resolve(job["GlueVersion"], self._workers.settings.versions)
            spark.check_supported(version, parameters)
            environment = self._workers.environments.ready(
                version, version.sets(parameters.formats), parameters.formats
            )
            size = self._workers.local_size(job)
            spec = spark.jvm_spec(size, parameters, [], environment)
            master = spark.cluster(parameters, job, self._workers.settings.master, size)
            if environment and spec.is_plain and not (parameters.extra_jars or master):
                self._workers.jvms.prepare(spec)
        except (LaunchError, OSError):
            # The job is as good as any; a run of it will say what is wrong with this machine.
            _LOG.warning("no JVM could be started ahead of a run", exc_info=True)

    def _is_full(self, job: Shape) -> bool:
        going = sum(run.has_a_place for run in self._runs.get(job["Name"], []))
        return bool(going >= job["ExecutionProperty"]["MaxConcurrentRuns"])

    def _takes_its_turn(self, active: ActiveRun) -> bool:
        """Wait for a place among the runs of the job, if the run has none; whether it has one now.

        The first that waits is the next. It waits for 15 minutes at most ("AWS Glue job run statuses").
        """
        run = active.run

        def is_next() -> bool:
            waiting = (one for one in self._runs.get(run.job_name, []) if one.state is State.WAITING)
            return run.state is not State.WAITING or (
                next(waiting, None) is run and not self._is_full(run.job)
            )

        with self._turns:
            if self._turns.wait_for(is_next, _WAITING_MINUTES * self._seconds_per_minute):
                if run.state is State.WAITING:
                    run.advance(State.STARTING, _now())
                    self._tell_status(active)
                return run.state is State.STARTING
            return False

    def _begin(self, run: JobRun) -> None:
        active = ActiveRun(run, self._bookmarks)
        self._runs.setdefault(run.job_name, []).append(run)
        self._active[run.id] = active
        self._tell_status(active)
        active.thread = threading.Thread(
            target=self._work, args=(active,), name=f"glue {run.id[:11]}", daemon=True
        )
        active.thread.start()
        self._watch_delay(active)

    def _work(self, active: ActiveRun) -> None:
        run = active.run
        if self._takes_its_turn(active):
            outcome = self._supervisor.execute(active)
        else:
            outcome = Outcome(State.FAILED, f"Concurrent runs exceeded for {run.job_name}")
        with self._lock:
            if run.state is State.STOPPING:
                run.advance(State.STOPPED, _now())
            else:
                run.advance(outcome.state, _now(), outcome.error_message)
            run.measures = outcome.measures
            self._results.add_of_job(run, outcome.quality)
            del self._active[run.id]
            self._tell_end(active)
            if outcome.bookmark is not None or (run.state is State.SUCCEEDED and _has_bookmark(run)):
                self._bookmarks.note(run, outcome.bookmark)
            is_repeated = (
                run.state is State.FAILED and run.attempt < run.job["MaxRetries"] and not self._is_closed
            )
            if is_repeated:
                self._begin(_retry(run))
            self._turns.notify_all()
        if not is_repeated:
            self._automation.ended(Ended("Job", run.job_name, _first_id(run), str(run.state), run.origin))

    def _tell_end(self, active: ActiveRun) -> None:
        run = active.run
        if active.delay is not None:
            active.delay.cancel()
        self._reporter.event(events.state_change(run))
        if data := metrics.of_run(run):
            self._reporter.metrics(metrics.NAMESPACE, data)

    def _watch_delay(self, active: ActiveRun) -> None:
        """Tell of the run's status once it goes on for longer than its notification threshold."""
        minutes = active.run.settings.get("NotificationProperty", {}).get("NotifyDelayAfter")
        if minutes:
            active.delay = threading.Timer(
                minutes * self._seconds_per_minute, self._tell_delay, (active, minutes)
            )
            active.delay.daemon = True
            active.delay.start()

    def _tell_delay(self, active: ActiveRun, minutes: float) -> None:
        with self._lock:
            if not active.run.state.is_final:
                active.is_late = True
                self._reporter.event(events.run_status(active.run, minutes))

    def _tell_status(self, active: ActiveRun) -> None:
        run = active.run
        self._reporter.state("glue", "job run", run.job_name, run.id, str(run.state))
        if active.is_late:
            minutes = run.settings["NotificationProperty"]["NotifyDelayAfter"]
            self._reporter.event(events.run_status(run, minutes))

    def _mark_running(self, run: JobRun) -> None:
        with self._lock:
            if run.state is State.STARTING:
                run.advance(State.RUNNING, _now())
                self._tell_status(self._active[run.id])

    def _stop(self, run: JobRun) -> None:
        if run.state.is_final:
            raise InvalidInputException(f"Job Run {run.id} is {run.state} and cannot be stopped.")
        self._request_stop(self._active[run.id])

    def _request_stop(self, active: ActiveRun) -> None:
        if active.run.state is not State.STOPPING:
            active.run.advance(State.STOPPING, _now())
            self._tell_status(active)
            self._turns.notify_all()
        active.stop.set()


def _has_bookmark(run: JobRun) -> bool:
    return arguments.parse(run.all_arguments).enables_bookmark


def _shown(connection: Shape, request: Request) -> Shape:
    return connections.without_password(connection) if request.get("HidePassword") else dict(connection)


def _checked_arguments(given: Mapping[str, str]) -> dict[str, str]:
    for key, value in given.items():
        if not isinstance(value, str):
            raise InvalidInputException(f"The value of argument {key} must be a string")
    return dict(given)


def _retry(run: JobRun) -> JobRun:
    attempt = run.attempt + 1
    original = run.id.partition("_attempt_")[0]
    return JobRun(
        id=f"{original}_attempt_{attempt}",
        job=run.job,
        arguments=run.arguments,
        settings=run.settings,
        started_on=_now(),
        attempt=attempt,
        previous_run_id=run.id,
        origin=run.origin,
    )


def _first_id(run: JobRun) -> str:
    """The id of the first attempt, which is that of a workflow's step."""
    return run.id.partition("_attempt_")[0]
