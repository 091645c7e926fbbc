"""What becomes of each operation of this service's API."""

from __future__ import annotations

from millpond.planes.common.operations import Operations

OPERATIONS = Operations(
    "athena",
    own=(
        "BatchGetNamedQuery",
        "BatchGetPreparedStatement",
        "BatchGetQueryExecution",
        "CreateDataCatalog",
        "CreateNamedQuery",
        "CreatePreparedStatement",
        "CreateWorkGroup",
        "DeleteNamedQuery",
        "DeletePreparedStatement",
        "DeleteWorkGroup",
        "GetDataCatalog",
        "GetDatabase",
        "GetNamedQuery",
        "GetPreparedStatement",
        "GetQueryExecution",
        "GetQueryResults",
        "GetQueryRuntimeStatistics",
        "GetTableMetadata",
        "GetWorkGroup",
        "ListDataCatalogs",
        "ListDatabases",
        "ListEngineVersions",
        "ListNamedQueries",
        "ListPreparedStatements",
        "ListQueryExecutions",
        "ListTableMetadata",
        "ListTagsForResource",
        "ListWorkGroups",
        "StartQueryExecution",
        "StopQueryExecution",
        "TagResource",
        "UntagResource",
        "UpdateNamedQuery",
        "UpdatePreparedStatement",
        "UpdateWorkGroup",
    ),
    refused=(
        "CreateCapacityReservation",
        "GetCapacityReservation",
        "ListCapacityReservations",
        "UpdateCapacityReservation",
    ),
    is_checked=True,
    refusal="InvalidRequestException",
)
