"""CodeBuild's API: projects, builds, reports, and what belongs to them."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from millpond.planes.codebuild import accounts, builds, cache, projects, reports
from millpond.planes.codebuild.builds import Build, Shape, Status
from millpond.planes.codebuild.exceptions import (
    AccountLimitExceededException,
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from millpond.planes.codebuild.paging import page
from millpond.planes.codebuild.sources import GitCredentials
from millpond.planes.codebuild.supervisor import SESSION, ActiveBuild, Execution, Limits
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients
from millpond.planes.common.state import ENDED
from millpond.planes.common.telemetry import Reporter, Telemetry

Request = Mapping[str, Any]

_STOP_SECONDS = 60.0
_MAX_BATCH = 100


@dataclass(frozen=True)
class CodeBuildSettings:
    """What can be set of the plane.

    Parameters
    ----------
    max_running : int
        How many builds run at a time; others wait in the queue.
    seconds_per_timeout_minute : float
        How many seconds a minute of a timeout lasts.
    stop_seconds : float
        How long the processes of a build that is stopped may take to end by themselves: Terraform saves its
        state meanwhile.
    ssh : str
        What Git reaches the SSH server of a source with; its keys are those of who runs the engine.
    """

    max_running: int = 4
    seconds_per_timeout_minute: float = 60.0
    stop_seconds: float = 30.0
    ssh: str = "ssh"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> CodeBuildSettings:
        """Read ``MILLPOND_CODEBUILD_MAX_RUNNING``; what is not set has its default."""
        env = os.environ if environment is None else environment
        return cls(max_running=int(env.get("MILLPOND_CODEBUILD_MAX_RUNNING", cls.max_running)))

    def limits(self) -> Limits:
        """What bounds the builds of an engine."""
        slots = threading.Semaphore(self.max_running)
        return Limits(slots, self.seconds_per_timeout_minute, self.stop_seconds, self.ssh)


class CodeBuildPlane:
    """The operations in ``OPERATIONS``, each a method that takes the request and returns the response.

    Parameters
    ----------
    context : PlaneContext
        The stack, with the account and the region that it serves.
    telemetry : Telemetry
        Takes the events of builds.
    limits : Limits
        What bounds builds, over every account and region.

    Examples
    --------
    >>> plane = CodeBuildPlane(context, Telemetry(context), CodeBuildSettings().limits())  # doctest: +SKIP
    >>> plane.start_build({"projectName": "seed"})["build"]["id"]  # doctest: +SKIP
    'seed:…'
    """

    KEPT = (
        "_projects",
        "_builds",
        "_numbers",
        "_tokens",
        "_generations",
        "_webhooks",
        "_groups",
        "_reports",
        "_cases",
        "_credentials",
    )

    def __init__(self, context: PlaneContext, telemetry: Telemetry, limits: Limits) -> None:
        self._context = context
        self._clients = Clients(context, "codebuild.amazonaws.com")
        self._reporter = Reporter(telemetry, context)
        self._limits = limits
        self._lock = threading.RLock()
        self._projects: dict[str, Shape] = {}
        self._builds: dict[str, Build] = {}
        self._active: dict[str, ActiveBuild] = {}
        self._numbers: dict[str, int] = {}
        self._tokens: dict[str, tuple[Shape, str]] = {}
        self._generations: dict[str, int] = {}
        self._webhooks: dict[str, Shape] = {}
        self._groups: dict[str, Shape] = {}
        self._reports: dict[str, Shape] = {}
        self._cases: dict[str, list[Shape]] = {}
        self._credentials = accounts.SourceCredentialStore(self._arn)
        self._is_closed = False

    def settle(self) -> None:
        """End the builds that an engine before has left: a fault of the service, as on AWS."""
        with self._lock:
            for build in self._builds.values():
                if not build.is_complete:
                    context = {"statusCode": "INTERNAL_SERVICE_ERROR", "message": ENDED}
                    build.leave(Status.FAULT, _now(), context)
                    build.complete(Status.FAULT, _now())

    def close(self) -> None:
        """Stop every build."""
        with self._lock:
            self._is_closed = True
            active = list(self._active.values())
            for execution in active:
                execution.stop.set()
        for execution in active:
            if execution.thread is not None:
                execution.thread.join(timeout=_STOP_SECONDS)

    # Projects

    def create_project(self, request: Request) -> Shape:
        name = _required(request, "name")
        with self._lock:
            if name in self._projects:
                raise ResourceAlreadyExistsException(f"Project already exists: {self._arn('project', name)}")
            self._projects[name] = self._define(name, request)
            return {"project": self._shown(name)}

    def update_project(self, request: Request) -> Shape:
        name = _required(request, "name")
        with self._lock:
            self._projects[name] = self._define(name, request, self._project(name))
            return {"project": self._shown(name)}

    def batch_get_projects(self, request: Request) -> Shape:
        with self._lock:
            names = [name.rsplit("/", 1)[-1] for name in _batch(request, "names")]
            return {
                "projects": [self._shown(name) for name in names if name in self._projects],
                "projectsNotFound": [name for name in names if name not in self._projects],
            }

    def list_projects(self, request: Request) -> Shape:
        by = request.get("sortBy") or "NAME"
        members = {"NAME": "name", "CREATED_TIME": "created", "LAST_MODIFIED_TIME": "lastModified"}
        if by not in members:
            raise InvalidInputException(f"Invalid sort by: {by}")
        with self._lock:
            ordered = sorted(
                self._projects.values(), key=lambda project: (project[members[by]], project["name"])
            )
        names, token = page([project["name"] for project in ordered], request)
        return {"projects": names, **token}

    def delete_project(self, request: Request) -> Shape:
        """Forget a project; its builds stay, and AWS answers the same when there was none."""
        name = _required(request, "name").rsplit("/", 1)[-1]
        with self._lock:
            existing = self._projects.pop(name, None)
            self._webhooks.pop(name, None)
        # Only the name of an existing project is used as a path: another might lead out of the folder.
        if existing is not None:
            cache.forget(cache.local_directory(self._context, name))
        return {}

    def invalidate_project_cache(self, request: Request) -> Shape:
        name = _required(request, "projectName")
        with self._lock:
            self._project(name)
            self._generations[name] = self._generations.get(name, 0) + 1
        cache.forget(cache.local_directory(self._context, name))
        return {}

    # Builds

    def start_build(self, request: Request) -> Shape:
        with self._lock:
            if known := self._known_token(request):
                return {"build": known.to_api()}
            project = self._project(_required(request, "projectName").rsplit("/", 1)[-1])
            build = self._begin(project, request, {})
            if token := request.get("idempotencyToken"):
                self._tokens[token] = (dict(request), build.id)
            return {"build": build.to_api()}

    def retry_build(self, request: Request) -> Shape:
        with self._lock:
            if known := self._known_token(request):
                return {"build": known.to_api()}
            old = self._build(_required(request, "id"))
            if not old.is_complete:
                raise InvalidInputException(f"Build {old.id} has not ended and cannot be retried")
            build = self._begin(self._project(old.project_name), old.request, {})
            if token := request.get("idempotencyToken"):
                self._tokens[token] = (dict(request), build.id)
            return {"build": build.to_api()}

    def batch_get_builds(self, request: Request) -> Shape:
        ids = _batch(request, "ids")
        with self._lock:
            keys = {id_or_arn: self._find(id_or_arn) for id_or_arn in ids}
            return {
                "builds": [build.to_api() for build in keys.values() if build],
                "buildsNotFound": [id_or_arn for id_or_arn, build in keys.items() if build is None],
            }

    def place_of_session(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Subnet and groups of the build that a session of its role is of; None where it is in no VPC."""
        mark = name.removeprefix(f"{SESSION}-")
        with self._lock:
            build = next(
                (candidate for candidate in reversed(self._builds.values()) if candidate.uuid == mark), None
            )
            vpc_config = (build.config.get("vpcConfig") if build else None) or {}
        subnets = vpc_config.get("subnets") or ()
        return (subnets[0], tuple(vpc_config.get("securityGroupIds") or ())) if subnets else None

    def list_builds(self, request: Request) -> Shape:
        with self._lock:
            ids = list(self._builds)
        page_ids, token = page(ids, {"sortOrder": "DESCENDING", **request})
        return {"ids": page_ids, **token}

    def list_builds_for_project(self, request: Request) -> Shape:
        name = _required(request, "projectName")
        with self._lock:
            self._project(name)
            ids = [build.id for build in self._builds.values() if build.project_name == name]
        page_ids, token = page(ids, {"sortOrder": "DESCENDING", **request})
        return {"ids": page_ids, **token}

    def stop_build(self, request: Request) -> Shape:
        with self._lock:
            build = self._build(_required(request, "id"))
            if active := self._active.get(build.id):
                active.stop.set()
            return {"build": build.to_api()}

    def batch_delete_builds(self, request: Request) -> Shape:
        deleted: list[str] = []
        kept: list[Shape] = []
        with self._lock:
            for id_or_arn in _batch(request, "ids"):
                build = self._find(id_or_arn)
                if build is None or not build.is_complete:
                    status = "NOT_FOUND" if build is None else "BUILD_IN_PROGRESS"
                    kept.append({"id": id_or_arn, "statusCode": status})
                else:
                    del self._builds[build.id]
                    deleted.append(build.arn)
        return {"buildsDeleted": deleted, "buildsNotDeleted": kept}

    # Batch builds, of which there are none

    def start_build_batch(self, request: Request) -> Shape:
        with self._lock:
            self._project(_required(request, "projectName"))
        raise InvalidInputException("Batch builds are not available here: start each build with StartBuild")

    def batch_get_build_batches(self, request: Request) -> Shape:
        return {"buildBatches": [], "buildBatchesNotFound": list(request.get("ids") or [])}

    def list_build_batches(self, request: Request) -> Shape:  # noqa: ARG002 (whatever is asked, there is none)
        return {"ids": []}

    def list_build_batches_for_project(self, request: Request) -> Shape:
        with self._lock:
            if name := request.get("projectName"):
                self._project(name)
        return {"ids": []}

    def stop_build_batch(self, request: Request) -> Shape:
        raise ResourceNotFoundException(f"Build batch cannot be found: {_required(request, 'id')}")

    def retry_build_batch(self, request: Request) -> Shape:
        raise ResourceNotFoundException(f"Build batch cannot be found: {_required(request, 'id')}")

    # Source credentials and webhooks

    def import_source_credentials(self, request: Request) -> Shape:
        with self._lock:
            return {"arn": self._credentials.put(request)}

    def list_source_credentials(self, request: Request) -> Shape:  # noqa: ARG002 (it has no members)
        with self._lock:
            return {"sourceCredentialsInfos": self._credentials.all()}

    def delete_source_credentials(self, request: Request) -> Shape:
        with self._lock:
            arn = _required(request, "arn")
            self._credentials.remove(arn)
        return {"arn": arn}

    def create_webhook(self, request: Request) -> Shape:
        name = _required(request, "projectName")
        with self._lock:
            project = self._project(name)
            if name in self._webhooks:
                raise ResourceAlreadyExistsException(f"Webhook for project {name} already exists")
            self._webhooks[name] = accounts.define_webhook(project, request)
            return {"webhook": dict(self._webhooks[name])}

    def update_webhook(self, request: Request) -> Shape:
        name = _required(request, "projectName")
        with self._lock:
            project = self._project(name)
            webhook = self._webhook(name) | accounts.webhook_members(request)
            if request.get("rotateSecret"):
                webhook["secret"] = accounts.define_webhook(project, {})["secret"]
                webhook["lastModifiedSecret"] = _now()
            self._webhooks[name] = webhook
            return {"webhook": _without_secret(webhook)}

    def delete_webhook(self, request: Request) -> Shape:
        name = _required(request, "projectName")
        with self._lock:
            self._project(name)
            self._webhook(name)
            del self._webhooks[name]
        return {}

    # Reports

    def create_report_group(self, request: Request) -> Shape:
        arn = self._arn("report-group", request.get("name") or "")
        with self._lock:
            if arn in self._groups:
                raise ResourceAlreadyExistsException(f"Report group already exists: {arn}")
            self._groups[arn] = reports.define_group(request, arn=arn, now=_now())
            return {"reportGroup": dict(self._groups[arn])}

    def update_report_group(self, request: Request) -> Shape:
        with self._lock:
            group = self._group(_required(request, "arn"))
            if request.get("exportConfig") is not None:
                group["exportConfig"] = reports.export_config(request["exportConfig"])
            if request.get("tags") is not None:
                group["tags"] = list(request["tags"])
            group["lastModified"] = _now()
            return {"reportGroup": dict(group)}

    def batch_get_report_groups(self, request: Request) -> Shape:
        arns = _batch(request, "reportGroupArns")
        with self._lock:
            return {
                "reportGroups": [dict(self._groups[arn]) for arn in arns if arn in self._groups],
                "reportGroupsNotFound": [arn for arn in arns if arn not in self._groups],
            }

    def list_report_groups(self, request: Request) -> Shape:
        members = {"NAME": "name", "CREATED_TIME": "created", "LAST_MODIFIED_TIME": "lastModified"}
        by = request.get("sortBy") or "CREATED_TIME"
        if by not in members:
            raise InvalidInputException(f"Invalid sort by: {by}")
        with self._lock:
            ordered = sorted(self._groups.values(), key=lambda group: (group[members[by]], group["name"]))
        arns, token = page([group["arn"] for group in ordered], request)
        return {"reportGroups": arns, **token}

    def delete_report_group(self, request: Request) -> Shape:
        arn = _required(request, "arn")
        with self._lock:
            held = self._reports_of(arn)
            if held and not request.get("deleteReports"):
                raise InvalidInputException(
                    f"Report group {arn} has reports; delete them, or set deleteReports"
                )
            for report in held:
                self._forget_report(report["arn"])
            self._groups.pop(arn, None)
        return {}

    def batch_get_reports(self, request: Request) -> Shape:
        arns = _batch(request, "reportArns")
        with self._lock:
            return {
                "reports": [dict(self._reports[arn]) for arn in arns if arn in self._reports],
                "reportsNotFound": [arn for arn in arns if arn not in self._reports],
            }

    def list_reports(self, request: Request) -> Shape:
        with self._lock:
            return _listed_reports(list(self._reports.values()), request)

    def list_reports_for_report_group(self, request: Request) -> Shape:
        with self._lock:
            arn = self._group(_required(request, "reportGroupArn"))["arn"]
            return _listed_reports(self._reports_of(arn), request)

    def describe_test_cases(self, request: Request) -> Shape:
        arn = _required(request, "reportArn")
        wanted = request.get("filter") or {}
        with self._lock:
            if arn not in self._reports:
                raise ResourceNotFoundException(f"Report not found: {arn}")
            cases = [
                case
                for case in self._cases[arn]
                if wanted.get("status") in (None, case["status"])
                and (wanted.get("keyword") or "") in f"{case['prefix']}.{case['name']}"
            ]
        page_cases, token = page(cases, request)
        return {"testCases": page_cases, **token}

    def delete_report(self, request: Request) -> Shape:
        with self._lock:
            self._forget_report(_required(request, "arn"))
        return {}

    # What a build asks the plane

    def git_credentials(self, source: Mapping[str, Any]) -> GitCredentials | accounts.SecretArn | None:
        """What Git is given for a source, or the secret that it is in."""
        with self._lock:
            return self._credentials.of_source(source)

    def cache_generation(self, project: str) -> int:
        """How often a project's cache was invalidated."""
        with self._lock:
            return self._generations.get(project, 0)

    def begin_report(self, build: Build, name_or_arn: str) -> Shape:
        """A report of a build; the group is made if there is none of that name."""
        name = reports.group_name(build.project_name, name_or_arn)
        with self._lock:
            arn = self._arn("report-group", name)
            if arn not in self._groups:
                self._groups[arn] = reports.define_group({"name": name, "type": "TEST"}, arn=arn, now=_now())
            now = _now()
            report = {
                "arn": self._arn("report", f"{name}:{uuid.uuid4()}"),
                "type": self._groups[arn]["type"],
                "name": f"{name}-{build.number}",
                "reportGroupArn": arn,
                "executionId": build.arn,
                "status": "GENERATING",
                "created": now,
                "expired": now + reports.KEPT,
                "exportConfig": self._groups[arn]["exportConfig"],
                "truncated": False,
            }
            self._reports[report["arn"]] = report
            self._cases[report["arn"]] = []
            return report

    def complete_report(self, report: Shape, status: str, cases: list[Shape]) -> None:
        """Give a report its test cases."""
        with self._lock:
            self._cases[report["arn"]] = [
                {"reportArn": report["arn"], "expired": report["expired"], **case} for case in cases
            ]
            report |= {"status": status, "testSummary": reports.summary(cases)}

    # Builds in progress

    def _begin(self, project: Shape, request: Request, auto_retry: Shape) -> Build:
        if self._is_closed:
            raise InvalidInputException("The stack is stopping: no build can be started")
        config = builds.configuration(project, request)
        name = str(project["name"])
        limit = project.get("concurrentBuildLimit")
        going = sum(execution.build.project_name == name for execution in self._active.values())
        if limit is not None and going >= limit:
            raise AccountLimitExceededException(
                f"Cannot have more than {limit} active builds for the project"
            )
        key = str(uuid.uuid4())
        self._numbers[name] = self._numbers.get(name, 0) + 1
        build = Build(
            id=f"{name}:{key}",
            arn=self._arn("build", f"{name}:{key}"),
            number=self._numbers[name],
            config=config,
            request=dict(request),
            start=_now(),
            initiator="root",
            logs=builds.logs_location(config, key, self._context),
            auto_retry=auto_retry
            or {"autoRetryLimit": config.get("autoRetryLimit", 0), "autoRetryNumber": 0},
        )
        build.enter(builds.Phase.SUBMITTED, build.start)
        active = ActiveBuild(build)
        self._builds[build.id] = build
        self._active[build.id] = active
        active.thread = threading.Thread(
            target=self._work, args=(active,), name=f"codebuild {key[:8]}", daemon=True
        )
        active.thread.start()
        return build

    def _work(self, active: ActiveBuild) -> None:
        Execution(active, self._context, self._clients, self._reporter, self._limits, self).run()
        build = active.build
        with self._lock:
            del self._active[build.id]
            limit = max(build.auto_retry["autoRetryLimit"], active.retries)
            number = build.auto_retry["autoRetryNumber"]
            can_retry = build.status is Status.FAILED and number < limit and not self._is_closed
            if can_retry and build.project_name in self._projects:
                retry = {
                    "autoRetryLimit": limit,
                    "autoRetryNumber": number + 1,
                    "previousAutoRetry": build.arn,
                }
                following = self._begin(self._projects[build.project_name], build.request, retry)
                build.auto_retry["nextAutoRetry"] = following.arn

    # Looking up; the lock is held

    def _define(self, name: str, request: Request, old: Shape | None = None) -> Shape:
        return projects.define(name, request, context=self._context, now=_now(), old=old)

    def _shown(self, name: str) -> Shape:
        project = dict(self._projects[name])
        if name in self._webhooks:
            project["webhook"] = _without_secret(self._webhooks[name])
        return project

    def _project(self, name: str) -> Shape:
        if name not in self._projects:
            raise ResourceNotFoundException(f"Project cannot be found: {self._arn('project', name)}")
        return self._projects[name]

    def _webhook(self, name: str) -> Shape:
        if name not in self._webhooks:
            raise ResourceNotFoundException(f"Webhook for project {name} cannot be found")
        return self._webhooks[name]

    def _group(self, arn: str) -> Shape:
        if arn not in self._groups:
            raise ResourceNotFoundException(f"Report group cannot be found: {arn}")
        return self._groups[arn]

    def _reports_of(self, group: str) -> list[Shape]:
        return [report for report in self._reports.values() if report["reportGroupArn"] == group]

    def _forget_report(self, arn: str) -> None:
        self._reports.pop(arn, None)
        self._cases.pop(arn, None)

    def _find(self, id_or_arn: str) -> Build | None:
        return self._builds.get(id_or_arn.removeprefix(self._arn("build", "")))

    def _build(self, id_or_arn: str) -> Build:
        build = self._find(id_or_arn)
        if build is None:
            raise ResourceNotFoundException(f"Build cannot be found: {id_or_arn}")
        return build

    def _known_token(self, request: Request) -> Build | None:
        token = request.get("idempotencyToken")
        if not token or token not in self._tokens:
            return None
        former, build_id = self._tokens[token]
        if former != dict(request):
            raise InvalidInputException("The idempotency token was used with other parameters")
        return self._builds.get(build_id)

    def _arn(self, kind: str, name: str) -> str:
        return self._context.arn("codebuild", f"{kind}/{name}")


def _listed_reports(reports: list[Shape], request: Request) -> Shape:
    status = (request.get("filter") or {}).get("status")
    arns = [report["arn"] for report in reports if status in (None, report["status"])]
    listed, token = page(arns, {"sortOrder": "DESCENDING", **request})
    return {"reports": listed, **token}


def _without_secret(webhook: Shape) -> Shape:
    return {name: value for name, value in webhook.items() if name != "secret"}


def _batch(request: Request, member: str) -> list[str]:
    values = list(dict.fromkeys(_required(request, member)))
    if len(values) > _MAX_BATCH:
        raise InvalidInputException(f"{member} must have at most {_MAX_BATCH} members")
    return values


def _required(request: Request, member: str) -> Any:
    value = request.get(member)
    if value is None or value == "":
        raise InvalidInputException(f"{member} must not be null or empty")
    return value


def _now() -> datetime:
    return datetime.now(UTC)
