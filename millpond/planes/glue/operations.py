"""What becomes of each operation of this service's API."""

from __future__ import annotations

from millpond.planes.common.operations import Operations
from millpond.planes.glue.catalog.databases import Databases, Functions
from millpond.planes.glue.catalog.partitions import Partitions
from millpond.planes.glue.catalog.settings import CatalogSettings
from millpond.planes.glue.catalog.statistics import ColumnStatistics
from millpond.planes.glue.catalog.tables import Tables
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows.triggers import Triggers
from millpond.planes.glue.workflows.workflows import Workflows

OPERATIONS = Operations(
    "glue",
    own=(
        *Databases.OPERATIONS,
        *Functions.OPERATIONS,
        *Tables.OPERATIONS,
        *Partitions.OPERATIONS,
        *ColumnStatistics.OPERATIONS,
        *Tags.OPERATIONS,
        *Triggers.OPERATIONS,
        *Workflows.OPERATIONS,
        "BatchDeleteConnection",
        "BatchGetJobs",
        "BatchStopJobRun",
        "CancelStatement",
        "CreateConnection",
        "CreateJob",
        "CreateSession",
        "DeleteConnection",
        "DeleteJob",
        "DeleteSession",
        "GetConnection",
        "GetConnections",
        "GetJob",
        "GetJobBookmark",
        "GetJobRun",
        "GetJobRuns",
        "GetJobs",
        "GetSession",
        "GetStatement",
        "ListJobs",
        "ListSessions",
        "ListStatements",
        "ResetJobBookmark",
        "RunStatement",
        "StartJobRun",
        "StopSession",
        "UpdateConnection",
        "UpdateJob",
    ),
    kept=(
        "BatchGetCrawlers",
        "CreateCrawler",
        "CreateSecurityConfiguration",
        "DeleteCrawler",
        "DeleteSecurityConfiguration",
        "GetCrawler",
        "GetCrawlers",
        "GetSecurityConfiguration",
        "GetSecurityConfigurations",
        "ListCrawlers",
        "ListCrawls",
        "StopCrawler",
    ),
    held=CatalogSettings.OPERATIONS,
    is_checked=True,
    refused=(
        "CreateDevEndpoint",
        "StartCrawler",
    ),
)
