"""Does one crawl: reads the targets, and writes their tables."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients
from millpond.planes.common.logs import batches
from millpond.planes.glue.crawlers import sources
from millpond.planes.glue.crawlers.apply import Applier, configuration_of, names_of
from millpond.planes.glue.crawlers.definitions import address
from millpond.planes.glue.crawlers.layout import Folder, FoundTable, named_once, tables_of
from millpond.planes.glue.crawlers.store import LOG_GROUP, Crawl, Crawler, CrawlerState
from millpond.planes.glue.databases import database_of, read_secret
from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException
from millpond.planes.glue.requests import Shape

_LOG = logging.getLogger(__name__)


class Crawling:
    """Crawls for every crawler of an account and region.

    Parameters
    ----------
    context : PlaneContext
        Whose.
    clients : Clients
        AWS clients.
    glue : object
        The operations of the catalog and of connections.
    state : CrawlerState
        Where the classifiers are.
    """

    def __init__(self, context: PlaneContext, clients: Clients, glue: Any, state: CrawlerState) -> None:
        self._context = context
        self._clients = clients
        self._glue = glue
        self._state = state

    @property
    def account_id(self) -> str:
        return self._context.account_id

    def do(self, crawler: Crawler, crawl: Crawl, is_stopped: Callable[[], bool]) -> None:
        """Do a crawl, with the rights of the crawler's role.

        Raises
        ------
        RoleNotTrustingError, GlueError
            If it cannot be done.
        """
        definition = crawler.definition
        crawl.lines.append(f"INFO : Start crawler {crawl.crawler}")
        credentials = self._clients.assume(
            self._role(definition["Role"]),
            f"AWS-Crawler-{crawl.id[:16]}",
            self._context.arn("glue", f"crawler/{crawl.crawler}"),
        )
        targets = definition["Targets"]
        self._database(definition, targets)
        s3 = self._clients.of("s3", credentials)
        for target in targets.get("S3Targets") or []:
            self._crawl_s3(crawler, crawl, s3, {**target, "Path": address(target)}, is_stopped)
        for target in targets.get("CatalogTargets") or []:
            for name in target["Tables"]:
                self._crawl_table(crawler, crawl, s3, target["DatabaseName"], name, is_stopped)
        found: list[FoundTable] = []
        for target in targets.get("JdbcTargets") or []:
            connection = self._glue.get_connection({"Name": target["ConnectionName"]})["Connection"]
            found += sources.database_tables(
                connection["Name"],
                database_of(connection, partial(read_secret, self._clients)),
                target["Path"],
                target.get("Exclusions") or [],
            )
        for target in targets.get("DynamoDBTargets") or []:
            found.append(sources.dynamodb_table(self._clients.of("dynamodb", credentials), target["Path"]))
        applier = self._applier(definition, crawl)
        for table in found:
            if not is_stopped():
                applier.write(table)

    def write_log(self, crawl: Crawl) -> None:
        """Put the log of a crawl into the stream of the crawler's name; each line begins with its id."""
        logs = self._clients.own("logs")
        lines = [f"[{crawl.id}] {line}" for line in crawl.lines]
        lines.append(
            f"[{crawl.id}] {'ERROR : ' + crawl.error if crawl.error else 'INFO : Crawler has finished'}"
        )
        try:
            exists = logs.exceptions.ResourceAlreadyExistsException
            with contextlib.suppress(exists):
                logs.create_log_group(logGroupName=LOG_GROUP)
            with contextlib.suppress(exists):
                logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=crawl.crawler)
            for batch in batches(lines, int(time.time() * 1000)):
                logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=crawl.crawler, logEvents=batch)
        except (ClientError, BotoCoreError):
            _LOG.exception("the log of crawler %s could not be written", crawl.crawler)

    def _role(self, role: str) -> str:
        if role.startswith("arn:"):
            return role
        return f"arn:{self._context.partition}:iam::{self._context.account_id}:role/{role}"

    def _database(self, definition: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
        name = definition.get("DatabaseName")
        if not name:
            if {key for key, value in targets.items() if value} <= {"CatalogTargets"}:
                return
            raise InvalidInputException("A crawler needs a DatabaseName to make tables in")
        try:
            self._glue.get_database({"Name": name})
        except EntityNotFoundException:
            self._glue.create_database({"DatabaseInput": {"Name": name}})

    def _applier(self, definition: Shape, crawl: Crawl, database: str = "") -> Applier:
        given = {**definition, "DatabaseName": database or definition.get("DatabaseName", "")}
        return Applier(self._glue, given, crawl, lambda line: crawl.lines.append(f"INFO : {line}"))

    def _classifiers(self, definition: Mapping[str, Any]) -> list[Shape]:
        names = definition.get("Classifiers") or []
        if missing := [name for name in names if name not in self._state.classifiers]:
            raise EntityNotFoundException(f"Classifier {', '.join(missing)} not found.")
        return [self._state.classifiers[name] for name in names]

    def _crawl_s3(
        self, crawler: Crawler, crawl: Crawl, s3: Any, target: Shape, is_stopped: Callable[[], bool]
    ) -> None:
        definition = crawler.definition
        is_partial = definition["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_NEW_FOLDERS_ONLY"

        def is_wanted(folder: Folder) -> bool:
            return not (is_partial and folder.location in crawler.seen)

        try:
            root, folders = sources.folders(s3, target, self._classifiers(definition), is_stopped, is_wanted)
        except ClientError as error:
            raise InvalidInputException(f"{target['Path']} cannot be read: {error}") from error
        if is_stopped():
            return
        grouping = configuration_of(definition).get("Grouping") or {}
        level = grouping.get("TableLevelConfiguration")
        combines = grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas"
        tables = tables_of(folders, root, int(level) if level else None, combines=combines)
        tables = [
            one for one in tables if one.schema.columns or one.schema.classification != "unknown"
        ] or tables
        most = (configuration_of(definition).get("CrawlerOutput") or {}).get("TableThreshold")
        if most and len(tables) > int(most):
            raise InvalidInputException(
                f"The number of tables detected by crawler: {len(tables)} is greater than the table "
                f"threshold value provided: {most}"
            )
        named_once(tables, {})
        applier = self._applier(definition, crawl)
        for table in tables:
            if is_stopped():
                return
            applier.write(table)
        crawler.seen.update({folder.location: "" for folder in folders})
        if not is_partial:
            applier.remove_missing(
                names_of(definition.get("TablePrefix"), tables),
                lambda table: sources.is_within(target["Path"], table),
            )

    def _crawl_table(
        self,
        crawler: Crawler,
        crawl: Crawl,
        s3: Any,
        database: str,
        name: str,
        is_stopped: Callable[[], bool],
    ) -> None:
        table = self._glue.get_table({"DatabaseName": database, "Name": name})["Table"]
        location = table["StorageDescriptor"]["Location"]
        classifiers = self._classifiers(crawler.definition)
        root, folders = sources.folders(s3, {"Path": location}, classifiers, is_stopped)
        level = len([part for part in urlsplit(location).path.split("/") if part]) + 1
        for found in tables_of(folders, root, level, combines=True):
            found.name = name
            self._applier({**crawler.definition, "TablePrefix": ""}, crawl, database).write(found)
