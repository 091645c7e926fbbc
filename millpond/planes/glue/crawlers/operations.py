"""Operations of crawlers, and their runs."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from millpond.planes.common.clock import Clock
from millpond.planes.common.credentials import RoleNotTrustingError
from millpond.planes.common.state import ENDED
from millpond.planes.glue.crawlers import definitions, history
from millpond.planes.glue.crawlers.crawling import Crawling
from millpond.planes.glue.crawlers.store import LOG_GROUP, Crawl, Crawler, CrawlerState
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    CrawlerNotRunningException,
    CrawlerRunningException,
    CrawlerStoppingException,
    EntityNotFoundException,
    GlueError,
    NoScheduleException,
    SchedulerNotRunningException,
    SchedulerRunningException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, now, required
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows.definitions import schedule_of
from millpond.planes.glue.workflows.store import Ended, Origin

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 20.0


class Crawlers:
    """Operations of crawlers.

    Parameters
    ----------
    state : CrawlerState
        Where they are.
    tags : Tags
        Theirs.
    clock : Clock
        For their schedules.
    crawling : Crawling
        Does a crawl.
    tell : callable
        Told of what has ended.
    report : callable
        Takes an entry of ``PutEvents``.
    """

    OPERATIONS = (
        "BatchGetCrawlers",
        "CreateCrawler",
        "DeleteCrawler",
        "GetCrawler",
        "GetCrawlerMetrics",
        "GetCrawlers",
        "ListCrawlers",
        "ListCrawls",
        "StartCrawler",
        "StartCrawlerSchedule",
        "StopCrawler",
        "StopCrawlerSchedule",
        "UpdateCrawler",
        "UpdateCrawlerSchedule",
    )
    KEPT = ("state",)

    def __init__(
        self,
        state: CrawlerState,
        tags: Tags,
        clock: Clock,
        crawling: Crawling,
        tell: Callable[[Ended], None],
        report: Callable[[Shape], None],
    ) -> None:
        self.state = state
        self._tags = tags
        self._clock = clock
        self._crawling = crawling
        self._tell = tell
        self._report = report
        self._lock = threading.RLock()
        self._going: dict[str, tuple[threading.Event, threading.Thread]] = {}

    def close(self) -> None:
        """Stop every crawl."""
        with self._lock:
            going = list(self._going.values())
        for stop, _ in going:
            stop.set()
        for _, thread in going:
            thread.join(timeout=_STOP_SECONDS)

    def settle(self) -> None:
        """Set the clock for every schedule, and end the crawls that an engine before has left."""
        with self._lock:
            for crawler in self.state.crawlers.values():
                crawler.state = "READY"
                for crawl in crawler.crawls:
                    if crawl.ended_on is None:
                        crawl.state, crawl.error, crawl.ended_on = "FAILED", ENDED, now()
                self._set_clock(crawler)

    def create_crawler(self, request: Request) -> Shape:
        name = str(required(request, "Name"))
        required(request, "Role")
        required(request, "Targets")
        crawler = Crawler(definitions.define(name, request, None))
        with self._lock:
            if name in self.state.crawlers:
                raise AlreadyExistsException("Crawler already exists.")
            self.state.crawlers[name] = crawler
            self._tags.create("crawler", name, request.get("Tags"))
            self._set_clock(crawler)
        return {}

    def get_crawler(self, request: Request) -> Shape:
        with self._lock:
            return {"Crawler": shown(self._crawler(request))}

    def get_crawlers(self, request: Request) -> Shape:
        with self._lock:
            some, token = page([self.state.crawlers[name] for name in sorted(self.state.crawlers)], request)
            return {"Crawlers": [shown(one) for one in some], **token}

    def batch_get_crawlers(self, request: Request) -> Shape:
        names = required(request, "CrawlerNames")
        with self._lock:
            there = self.state.crawlers
            return {
                "Crawlers": [shown(there[name]) for name in names if name in there],
                "CrawlersNotFound": [name for name in names if name not in there],
            }

    def list_crawlers(self, request: Request) -> Shape:
        with self._lock:
            names = self._tags.fitting("crawler", sorted(self.state.crawlers), request)
        some, token = page(names, request)
        return {"CrawlerNames": some, **token}

    def update_crawler(self, request: Request) -> Shape:
        with self._lock:
            crawler = self._crawler(request)
            self._refuse_running(crawler)
            crawler.definition = definitions.define(request["Name"], request, crawler.definition)
            self._set_clock(crawler)
        return {}

    def delete_crawler(self, request: Request) -> Shape:
        with self._lock:
            crawler = self._crawler(request)
            self._refuse_running(crawler)
            name = crawler.definition["Name"]
            del self.state.crawlers[name]
            self._clock.forget(("crawler", name))
            self._tags.forget("crawler", name)
        return {}

    # Crawls

    def start_crawler(self, request: Request) -> Shape:
        self.start(required(request, "Name"), {}, None)
        return {}

    def start(self, name: str, _action: Mapping[str, Any], origin: Origin | None) -> str:
        """Start a crawl; its id."""
        with self._lock:
            crawler = self._crawler({"Name": name})
            self._refuse_running(crawler)
            crawl = Crawl(str(uuid.uuid4()), name, now(), origin=origin)
            crawler.crawls.append(crawl)
            crawler.state = "RUNNING"
            stop = threading.Event()
            thread = threading.Thread(
                target=self._work, args=(crawler, crawl, stop), name=f"crawl {name}", daemon=True
            )
            self._going[name] = stop, thread
            thread.start()
        return crawl.id

    def stop_crawler(self, request: Request) -> Shape:
        with self._lock:
            crawler = self._crawler(request)
            name = crawler.definition["Name"]
            if crawler.state == "STOPPING":
                raise CrawlerStoppingException(f"Crawler with name {name} is stopping")
            if crawler.state != "RUNNING":
                raise CrawlerNotRunningException(f"Crawler with name {name} isn't running")
            crawler.state = "STOPPING"
            self._going[name][0].set()
        return {}

    def stop(self, name: str, _crawl_id: str) -> None:
        """Stop the crawl that goes on."""
        self.stop_crawler({"Name": name})

    def look(self, name: str, crawl_id: str) -> Shape:
        """The ``Crawl`` structure of a workflow's node."""
        with self._lock:
            crawler = self.state.crawlers.get(name)
            crawl = next((one for one in crawler.crawls if one.id == crawl_id), None) if crawler else None
        return history.crawl_of_graph(crawl) if crawl else {}

    def list_crawls(self, request: Request) -> Shape:
        name = required(request, "CrawlerName")
        with self._lock:
            if name not in self.state.crawlers:
                raise EntityNotFoundException(f"Crawler entry with name {name} does not exist")
            crawls = list(reversed(self.state.crawlers[name].crawls))
        fits = history.compile_filters(request.get("Filters") or [])
        some, token = page([one for one in crawls if fits(one)], request, 20)
        return {"Crawls": [history.crawl_of_history(one) for one in some], **token}

    def get_crawler_metrics(self, request: Request) -> Shape:
        with self._lock:
            names = request.get("CrawlerNameList") or sorted(self.state.crawlers)
            there = [self.state.crawlers[name] for name in names if name in self.state.crawlers]
            some, token = page([history.metrics_of(one) for one in there], request)
        return {"CrawlerMetricsList": some, **token}

    # Schedules

    def update_crawler_schedule(self, request: Request) -> Shape:
        text = request.get("Schedule")
        with self._lock:
            crawler = self._crawler({"Name": required(request, "CrawlerName")})
            schedule_of(text)
            old = crawler.definition.get("Schedule") or {"State": "SCHEDULED"}
            self._schedule(crawler, {**old, "ScheduleExpression": text})
        return {}

    def start_crawler_schedule(self, request: Request) -> Shape:
        with self._lock:
            crawler, schedule = self._scheduled(request)
            if schedule["State"] == "SCHEDULED":
                raise SchedulerRunningException("The schedule is running already")
            self._schedule(crawler, {**schedule, "State": "SCHEDULED"})
        return {}

    def stop_crawler_schedule(self, request: Request) -> Shape:
        with self._lock:
            crawler, schedule = self._scheduled(request)
            if schedule["State"] != "SCHEDULED":
                raise SchedulerNotRunningException("The schedule is not running")
            self._schedule(crawler, {**schedule, "State": "NOT_SCHEDULED"})
        return {}

    def _scheduled(self, request: Request) -> tuple[Crawler, Shape]:
        crawler = self._crawler({"Name": required(request, "CrawlerName")})
        schedule = crawler.definition.get("Schedule")
        if not schedule:
            raise NoScheduleException(f"Crawler {crawler.definition['Name']} has no schedule")
        return crawler, schedule

    def _schedule(self, crawler: Crawler, schedule: Shape) -> None:
        crawler.definition = {**crawler.definition, "Schedule": schedule}
        self._set_clock(crawler)

    def _set_clock(self, crawler: Crawler) -> None:
        name, schedule = crawler.definition["Name"], crawler.definition.get("Schedule") or {}
        due = None
        if schedule.get("State") == "SCHEDULED":
            due = schedule_of(schedule["ScheduleExpression"]).after(now())
        self._clock.set(("crawler", name), due, partial(self._strike, name))

    def _strike(self, name: str) -> None:
        with self._lock:
            if name in self.state.crawlers:
                self._set_clock(self.state.crawlers[name])
                try:
                    self.start(name, {}, None)
                except GlueError as error:
                    _LOG.warning("crawler %s is due and cannot start: %s", name, error)

    def _crawler(self, request: Request) -> Crawler:
        name = required(request, "Name")
        if name not in self.state.crawlers:
            raise EntityNotFoundException(f"Crawler {name} not found.")
        return self.state.crawlers[name]

    def _refuse_running(self, crawler: Crawler) -> None:
        if crawler.state != "READY":
            raise CrawlerRunningException(
                f"Crawler with name {crawler.definition['Name']} has already started"
            )

    def _work(self, crawler: Crawler, crawl: Crawl, stop: threading.Event) -> None:
        self._report(history.event(crawl, self._crawling.account_id, "Started"))
        try:
            self._crawling.do(crawler, crawl, stop.is_set)
            state, error = ("STOPPED" if stop.is_set() else "COMPLETED"), ""
        except RoleNotTrustingError as refusal:
            state = "FAILED"
            error = f"Service is unable to assume role {refusal}. Please verify role's TrustPolicy"
        except GlueError as refusal:
            state, error = "FAILED", refusal.message
        except Exception as unexpected:  # noqa: BLE001 - the thread ends here; the crawl says why
            _LOG.exception("crawler %s failed", crawl.crawler)
            state, error = "FAILED", f"Internal Service Exception: {unexpected}"
        with self._lock:
            crawl.state, crawl.error, crawl.ended_on = state, error, now()
            crawler.state = "READY"
            self._going.pop(crawl.crawler, None)
        self._crawling.write_log(crawl)
        self._report(
            history.event(crawl, self._crawling.account_id, "Succeeded" if state != "FAILED" else "Failed")
        )
        self._tell(Ended("Crawler", crawl.crawler, crawl.id, crawl.trigger_state, crawl.origin))


def shown(crawler: Crawler) -> Shape:
    """The ``Crawler`` structure."""
    shape = {**crawler.definition, "State": crawler.state, "CrawlElapsedTime": 0}
    if crawler.crawls:
        last = crawler.crawls[-1]
        if crawler.state != "READY":
            shape["CrawlElapsedTime"] = int((now() - last.started_on).total_seconds() * 1000)
        ended = next((one for one in reversed(crawler.crawls) if one.ended_on), None)
        if ended is not None:
            shape["LastCrawl"] = {
                "Status": ended.trigger_state,
                "LogGroup": LOG_GROUP,
                "LogStream": crawler.definition["Name"],
                "MessagePrefix": ended.id,
                "StartTime": ended.started_on,
                **({"ErrorMessage": ended.error} if ended.error else {}),
            }
    return shape
