"""What becomes of each operation of this service's API."""

from __future__ import annotations

from millpond.planes.common.operations import Operations

OPERATIONS = Operations(
    "codebuild",
    own=(
        "BatchDeleteBuilds",
        "BatchGetBuildBatches",
        "BatchGetBuilds",
        "BatchGetProjects",
        "BatchGetReportGroups",
        "BatchGetReports",
        "CreateProject",
        "CreateReportGroup",
        "CreateWebhook",
        "DeleteProject",
        "DeleteReport",
        "DeleteReportGroup",
        "DeleteSourceCredentials",
        "DeleteWebhook",
        "DescribeTestCases",
        "ImportSourceCredentials",
        "InvalidateProjectCache",
        "ListBuildBatches",
        "ListBuildBatchesForProject",
        "ListBuilds",
        "ListBuildsForProject",
        "ListProjects",
        "ListReportGroups",
        "ListReports",
        "ListReportsForReportGroup",
        "ListSourceCredentials",
        "RetryBuild",
        "RetryBuildBatch",
        "StartBuild",
        "StartBuildBatch",
        "StopBuild",
        "StopBuildBatch",
        "UpdateProject",
        "UpdateReportGroup",
        "UpdateWebhook",
    ),
    is_checked=True,
)
