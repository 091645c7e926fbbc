"""Athena's API: boto's shapes in, boto's shapes out.

Operations and members are those of the Amazon Athena API reference.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from millpond.planes.athena import events
from millpond.planes.athena import statements as st
from millpond.planes.athena.data_catalogs import CATALOG, DataCatalogs
from millpond.planes.athena.exceptions import (
    AthenaException,
    InvalidRequestException,
    QueryFailed,
    is_denied,
)
from millpond.planes.athena.executions import QueryExecution, QueryExecutions, new_id
from millpond.planes.athena.jobs import Job
from millpond.planes.athena.metadata import Metadata
from millpond.planes.athena.paging import offset, page
from millpond.planes.athena.pool import WorkerPool
from millpond.planes.athena.results import read_csv, read_text, to_row
from millpond.planes.athena.saved import NamedQueries, PreparedStatements
from millpond.planes.athena.trino.server import TrinoServers
from millpond.planes.athena.workgroups import ENGINE_VERSION, PRIMARY, WorkGroup, WorkGroups
from millpond.planes.common.callers import OWN_CALLS, caller_key
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.telemetry import Reporter, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_LONGEST_QUERY = 262144
_PIECE = 1 << 20
_ROWS = 1000
_OLDEST_RESULT = 7 * 24 * 60


class AthenaPlane:
    """Athena of one account and region.

    Parameters
    ----------
    context : PlaneContext
        The stack, with the account and the region that it serves.
    telemetry : Telemetry
        Takes the events and metrics of queries.
    workers : WorkerPool
        Runs queries, for every account and region.
    trino : TrinoServers
        Answer what the compiler does not.
    """

    KEPT = ("_tokens", "_groups", "_catalogs", "_named", "_prepared", "_executions")

    def __init__(
        self, context: PlaneContext, telemetry: Telemetry, workers: WorkerPool, trino: TrinoServers
    ) -> None:
        self._context = context
        self._reporter = Reporter(telemetry, context)
        self._session = boto3.session.Session()
        self._client_lock = threading.Lock()
        self._token_lock = threading.Lock()
        self._tokens: dict[str, tuple[dict[str, Any], str]] = {}
        self._catalogs = DataCatalogs(context.account_id)
        self._groups = WorkGroups(context.arn("athena", ""), self._catalogs)
        self._named = NamedQueries(self._groups)
        self._prepared = PreparedStatements(self._groups)
        self._metadata = Metadata(self._glue, self._catalogs)
        self._executions = QueryExecutions(workers, trino, context, self._note_change)
        self.create_work_group = self._groups.create
        self.get_work_group = self._groups.get
        self.list_work_groups = self._groups.list_all
        self.update_work_group = self._groups.update
        self.list_tags_for_resource = self._groups.list_tags
        self.tag_resource = self._groups.tag
        self.untag_resource = self._groups.untag
        self.create_named_query = self._named.create
        self.get_named_query = self._named.get
        self.batch_get_named_query = self._named.batch_get
        self.list_named_queries = self._named.list_all
        self.update_named_query = self._named.update
        self.delete_named_query = self._named.delete
        self.create_prepared_statement = self._prepared.create
        self.get_prepared_statement = self._prepared.get
        self.batch_get_prepared_statement = self._prepared.batch_get
        self.list_prepared_statements = self._prepared.list_all
        self.update_prepared_statement = self._prepared.update
        self.delete_prepared_statement = self._prepared.delete
        self.create_data_catalog = self._groups.create_catalog
        self.get_data_catalog = self._catalogs.get
        self.list_data_catalogs = self._catalogs.list_all
        self.update_data_catalog = self._catalogs.update
        self.delete_data_catalog = self._groups.delete_catalog
        self.get_database = self._metadata.get_database
        self.list_databases = self._metadata.list_databases
        self.get_table_metadata = self._metadata.get_table
        self.list_table_metadata = self._metadata.list_tables

    def work_group_of(self, kind: str, name: str) -> str | None:
        """The workgroup of an ``execution`` or a ``namedquery`` by its id; None if there is none."""
        try:
            if kind == "execution":
                return self._executions.find(name).work_group
            return str(self._named.get({"NamedQueryId": name})["NamedQuery"]["WorkGroup"])
        except AthenaException:
            return None

    def close(self) -> None:
        """Nothing: the queries end with the processes that run them, which every region shares."""

    def list_engine_versions(self, request: dict[str, Any]) -> dict[str, Any]:
        """The versions a workgroup can select."""
        versions = [
            {"SelectedEngineVersion": selected, "EffectiveEngineVersion": ENGINE_VERSION}
            for selected in ("AUTO", ENGINE_VERSION)
        ]
        found, more = page(versions, request)
        return {"EngineVersions": found, **more}

    def delete_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Delete a workgroup, with what it holds only when asked to."""
        name = request["WorkGroup"]
        self._groups.find(name)
        holders = (self._named, self._prepared, self._executions)
        if any(holder.of_group(name) for holder in holders) and not request.get("RecursiveDeleteOption"):
            raise InvalidRequestException(f"WorkGroup {name} is not empty")
        self._groups.delete(name)
        for holder in holders:
            holder.delete_group(name)
        return {}

    # Executions

    def start_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Queue a query.

        Raises
        ------
        InvalidRequestException
            If the statement cannot be parsed, or the workgroup does not take it.
        """
        token = request.get("ClientRequestToken")
        with self._token_lock:
            if token and token in self._tokens:
                known, query_id = self._tokens[token]
                if known != request:
                    raise InvalidRequestException(
                        "Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH"
                    )
                return {"QueryExecutionId": query_id}
            execution = self._execution(request)
            if (answered := self._executions.answered(execution)) and self._is_there(answered):
                execution.take_result(answered)
            if token:
                self._tokens[token] = dict(request), execution.query_id
        self._executions.submit(execution)
        return {"QueryExecutionId": execution.query_id}

    def get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """One execution as it is now."""
        return {"QueryExecution": self._executions.find(request["QueryExecutionId"]).describe()}

    def batch_get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Several executions as they are now."""
        found, missing = [], []
        for query_id in request["QueryExecutionIds"]:
            try:
                found.append(self._executions.find(query_id).describe())
            except InvalidRequestException as error:
                missing.append(
                    {
                        "QueryExecutionId": query_id,
                        "ErrorCode": error.AthenaErrorCode,
                        "ErrorMessage": error.message,
                    }
                )
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def list_query_executions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ids of a workgroup's executions, newest first."""
        group = self._groups.find(request.get("WorkGroup") or PRIMARY).name
        ids, more = page(self._executions.of_group(group), request)
        return {"QueryExecutionIds": ids, **more}

    def stop_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Cancel an execution and end its process."""
        self._executions.stop(request["QueryExecutionId"])
        return {}

    def get_query_runtime_statistics(self, request: dict[str, Any]) -> dict[str, Any]:
        """Times and volumes of an execution."""
        execution = self._executions.find(request["QueryExecutionId"])
        return {"QueryRuntimeStatistics": execution.runtime_statistics()}

    def get_query_results(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of an execution's result, read from its file; a query's first row is its header.

        Raises
        ------
        InvalidRequestException
            If the query has not succeeded, or its file is gone.
        """
        execution = self._executions.find(request["QueryExecutionId"])
        code = "INVALID_QUERY_EXECUTION_STATE"
        if not execution.is_final:
            raise InvalidRequestException(
                f"Query has not yet finished. Current state: {execution.state}", code
            )
        outcome = execution.outcome
        if outcome is None or outcome.state != "SUCCEEDED":
            raise InvalidRequestException(
                f"Query did not finish successfully. Final query state: {execution.state}", code
            )
        limit = int(request.get("MaxResults") or _ROWS)
        if not 1 <= limit <= _ROWS:
            raise InvalidRequestException(f"MaxResults is more than maximum allowed length {_ROWS}.")
        rows, end = self._read(execution.job.output_location, offset(request), limit)
        return {
            "UpdateCount": outcome.update_count,
            "ResultSet": {
                "Rows": [to_row(cells) for cells in rows],
                "ResultSetMetadata": {"ColumnInfo": outcome.columns},
            },
        } | ({"NextToken": str(end)} if end is not None else {})

    def _read(self, location: str, start: int, limit: int) -> tuple[list[list[str | None]], int | None]:
        """Rows from a byte of a result file on, and the byte where the next page begins."""
        if not location.endswith((".csv", ".txt")):
            return [], None
        bucket, _, key = location.removeprefix("s3://").partition("/")
        read = read_csv if location.endswith(".csv") else read_text
        s3 = self._s3()
        try:
            size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
            piece = _PIECE
            while start < size:
                answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + piece - 1}")
                is_last = start + piece >= size
                rows, used = read(answer["Body"].read(), limit, is_last=is_last)
                if is_last or len(rows) == limit:
                    end = start + used
                    return rows, end if end < size else None
                piece *= 4
        except ClientError as error:
            if is_denied(error):
                raise
            raise InvalidRequestException(
                "Could not find results", "INVALID_QUERY_EXECUTION_STATE"
            ) from error
        return [], None

    def _is_there(self, execution: QueryExecution) -> bool:
        """Whether the result of an execution has not been removed."""
        bucket, _, key = execution.job.output_location.removeprefix("s3://").partition("/")
        try:
            self._s3().head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    def _execution(self, request: dict[str, Any]) -> QueryExecution:
        query = str(request.get("QueryString") or "").strip()
        if not query:
            raise InvalidRequestException("QueryString must not be empty")
        if len(query.encode()) > _LONGEST_QUERY:
            raise InvalidRequestException(f"QueryString is longer than {_LONGEST_QUERY} bytes")
        group = self._groups.find(request.get("WorkGroup") or PRIMARY)
        if group.state != "ENABLED":
            raise InvalidRequestException(f"WorkGroup {group.name} is disabled.")
        context = request.get("QueryExecutionContext") or {}
        self._catalogs.find(context.get("Catalog", CATALOG))
        parameters = [str(value) for value in request.get("ExecutionParameters") or []]
        text, statement = self._resolved(query, [st.parameter(value) for value in parameters], group)
        result = _result_configuration(request, group)
        self._check_bucket(result["OutputLocation"])
        query_id = new_id()
        prefix = result["OutputLocation"].rstrip("/") + "/"
        location = f"{prefix}{query_id}{_extension(statement)}"
        database = str(context.get("Database") or "default").lower()
        job = Job(
            query_id,
            text,
            database,
            location,
            prefix,
            _upload_arguments(result),
            self._context.account_id,
            self._context.region,
            group.scan_limit,
            access_key=caller_key(self._context.account_id),
            catalogs=self._catalogs.names,
        )
        shown = {"Catalog": context.get("Catalog", CATALOG).lower()}
        return QueryExecution(
            query=query,
            statement=statement,
            job=job,
            work_group=group.name,
            context=shown | ({"Database": context["Database"]} if context.get("Database") else {}),
            result_configuration={**result, "OutputLocation": location},
            parameters=parameters,
            publishes_metrics=group.publishes_metrics,
            reuse_minutes=_reuse_minutes(request),
        )

    def _check_bucket(self, location: str) -> None:
        """Athena asks where the bucket of the results is, for who has policies of its own."""
        if caller_key(self._context.account_id) == self._context.account_id:
            return
        bucket = location.removeprefix("s3://").partition("/")[0]
        try:
            self._s3().get_bucket_location(Bucket=bucket)
        except ClientError as error:
            if is_denied(error):
                raise InvalidRequestException(f"Unable to verify/create output bucket {bucket}") from error

    def _resolved(self, query: str, parameters: list[str], group: WorkGroup) -> tuple[str, st.Statement]:
        """The statement to run: with parameters in place, a prepared one instead of its EXECUTE."""
        try:
            text = query.rstrip(";").rstrip()
            if not text.upper().startswith(("EXECUTE", "PREPARE")):
                text = st.bind(text, parameters)
            statement = st.parse_statement(text)
            if isinstance(statement, st.Prepared) and statement.kind == "EXECUTE":
                stored = self._prepared.find(group.name, statement.name)["QueryStatement"]
                text = st.bind(str(stored).rstrip(";"), parameters or statement.arguments)
                statement = st.parse_statement(text)
        except QueryFailed as error:
            code = "MALFORMED_QUERY" if error.reason == "SYNTAX_ERROR" else "INVALID_INPUT"
            message = error.message if error.reason == "SYNTAX_ERROR" else error.state_change_reason
            raise InvalidRequestException(message, code) from error
        if isinstance(statement, st.Prepared):
            self._keep(statement, group.name)
        return text, statement

    def _keep(self, statement: st.Prepared, group: str) -> None:
        """``PREPARE`` and ``DEALLOCATE PREPARE``: the workgroup has the statement, or has it no longer."""
        if statement.kind == "PREPARE":
            self._prepared.put(group, statement.name, statement.sql)
        else:
            self._prepared.delete({"WorkGroup": group, "StatementName": statement.name})

    def _note_change(self, execution: QueryExecution, previous: str | None, number: int) -> None:
        self._reporter.event(events.state_change(execution, previous, number))
        if execution.is_final and execution.publishes_metrics:
            self._reporter.metrics(events.NAMESPACE, events.metrics(execution))

    def _client(self, service: str) -> Any:
        config = Config(
            retries={"max_attempts": 3}, s3={"addressing_style": "path"}, user_agent_extra=OWN_CALLS
        )
        with self._client_lock:
            return self._session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._context.endpoint_url,
                region_name=self._context.region,
                aws_access_key_id=caller_key(self._context.account_id),
                aws_secret_access_key="athena",  # noqa: S106
                config=config,
            )

    def _glue(self) -> GlueClient:
        client: GlueClient = self._client("glue")
        return client

    def _s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client


def _extension(statement: st.Statement) -> str:
    """What the name of a result file ends with; a statement that writes elsewhere has metadata alone.

    So awswrangler, PyAthena and the driver of JDBC look for it.
    """
    if isinstance(statement, st.CreateTableAs | st.InsertInto | st.Unload):
        return ""
    return ".txt" if statement.statement_type in ("UTILITY", "DDL") else ".csv"


def _result_configuration(request: dict[str, Any], group: WorkGroup) -> dict[str, Any]:
    """The workgroup's result configuration where it is enforced, else the request's before it."""
    own = group.configuration.get("ResultConfiguration") or {}
    asked = request.get("ResultConfiguration") or {}
    chosen = dict(own) if group.is_enforced else {**own, **asked}
    if not chosen.get("OutputLocation"):
        raise InvalidRequestException(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    if not re.fullmatch(r"s3://[^/]+(/.*)?", chosen["OutputLocation"]):
        raise InvalidRequestException(f"outputLocation is not a valid S3 path: {chosen['OutputLocation']}")
    return chosen


def _upload_arguments(result: dict[str, Any]) -> dict[str, str]:
    encryption = result.get("EncryptionConfiguration") or {}
    option = encryption.get("EncryptionOption")
    if option == "SSE_S3":
        return {"ServerSideEncryption": "AES256"}
    if option == "SSE_KMS":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption["KmsKey"]}
    if option:
        raise InvalidRequestException(f"The encryption {option} is not supported by Millpond's Athena")
    return {}


def _reuse_minutes(request: dict[str, Any]) -> int | None:
    """``MaxAgeInMinutes`` of a request that takes a result from before; an hour unless told."""
    given = (request.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
    if not given.get("Enabled"):
        return None
    minutes = int(given.get("MaxAgeInMinutes", 60))
    if not 0 <= minutes <= _OLDEST_RESULT:
        raise InvalidRequestException(f"MaxAgeInMinutes must be between 0 and {_OLDEST_RESULT}")
    return minutes
