"""What becomes of each operation of this service's API."""

from __future__ import annotations

from millpond.planes.common.operations import Operations
from millpond.planes.glue.catalog.databases import Databases, Functions
from millpond.planes.glue.catalog.optimizers import Optimizers
from millpond.planes.glue.catalog.partitions import Partitions
from millpond.planes.glue.catalog.settings import CatalogSettings
from millpond.planes.glue.catalog.statistics import ColumnStatistics
from millpond.planes.glue.catalog.statistics_runs import StatisticsRuns
from millpond.planes.glue.catalog.tables import Tables
from millpond.planes.glue.crawlers import Crawlers
from millpond.planes.glue.crawlers.classifiers import Classifiers
from millpond.planes.glue.profiles import UsageProfiles
from millpond.planes.glue.quality import QualityRuns, QualityStatistics, Results, Rulesets
from millpond.planes.glue.schemas import SchemaRegistry
from millpond.planes.glue.tags import Tags
from millpond.planes.glue.workflows.triggers import Triggers
from millpond.planes.glue.workflows.workflows import Workflows

OPERATIONS = Operations(
    "glue",
    own=(
        *CatalogSettings.POLICIES,
        *Databases.OPERATIONS,
        *Functions.OPERATIONS,
        *Tables.OPERATIONS,
        *Partitions.OPERATIONS,
        *ColumnStatistics.OPERATIONS,
        *StatisticsRuns.OPERATIONS,
        *Optimizers.OPERATIONS,
        *Tags.OPERATIONS,
        *Triggers.OPERATIONS,
        *Workflows.OPERATIONS,
        *Crawlers.OPERATIONS,
        *Classifiers.OPERATIONS,
        *SchemaRegistry.OPERATIONS,
        *Rulesets.OPERATIONS,
        *QualityRuns.OPERATIONS,
        *Results.OPERATIONS,
        *QualityStatistics.OPERATIONS,
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
        "TestConnection",
        "UpdateConnection",
        "UpdateJob",
    ),
    kept=(
        "CreateSecurityConfiguration",
        "DeleteSecurityConfiguration",
        "GetSecurityConfiguration",
        "GetSecurityConfigurations",
    ),
    held=(*CatalogSettings.ENCRYPTION, *UsageProfiles.OPERATIONS),
    is_checked=True,
    worded=("ListCrawls", *SchemaRegistry.OPERATIONS),
    refused=("CreateDevEndpoint",),
)
