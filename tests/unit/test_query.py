from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from millpond.client.query import QueryFailedError, run_query

COLUMNS = {"ResultSetMetadata": {"ColumnInfo": [{"Name": "c", "Type": "varchar"}]}}


@pytest.fixture
def athena():
    client = boto3.client("athena", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def execution(state: str, reason: str = "", statement_type: str = "DML") -> dict[str, object]:
    return {
        "QueryExecution": {
            "QueryExecutionId": "q",
            "StatementType": statement_type,
            "Status": {"State": state, "StateChangeReason": reason},
            "ResultConfiguration": {"OutputLocation": "s3://results/q.csv"},
            "Statistics": {"TotalExecutionTimeInMillis": 1500, "DataScannedInBytes": 7},
        }
    }


def test_a_query_is_followed_to_its_end_and_every_page_is_read(athena):
    client, stub = athena
    header, null, value = {"Data": [{"VarCharValue": "c"}]}, {"Data": [{}]}, {"Data": [{"VarCharValue": ""}]}
    stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
    for state in ("QUEUED", "RUNNING", "SUCCEEDED"):
        stub.add_response("get_query_execution", execution(state))
    stub.add_response(
        "get_query_results", {"ResultSet": {"Rows": [header, null], **COLUMNS}, "NextToken": "m"}
    )
    stub.add_response("get_query_results", {"ResultSet": {"Rows": [value], **COLUMNS}})
    result = run_query(client, "SELECT c", workgroup="w")
    assert result.columns == ("c",)
    assert result.rows == ((None,), ("",))
    assert (result.seconds, result.scanned_bytes) == (1.5, 7)


def test_the_rows_of_a_utility_statement_have_no_header_to_drop(athena):
    client, stub = athena
    stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
    stub.add_response("get_query_execution", execution("SUCCEEDED", statement_type="UTILITY"))
    row = {"Data": [{"VarCharValue": "c"}]}
    stub.add_response("get_query_results", {"ResultSet": {"Rows": [row], **COLUMNS}})
    assert run_query(client, "SHOW TABLES", workgroup="w").rows == (("c",),)


def test_a_failed_query_says_what_athena_said(athena):
    client, stub = athena
    stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
    stub.add_response("get_query_execution", execution("FAILED", "COLUMN_NOT_FOUND: line 1:8"))
    with pytest.raises(QueryFailedError, match="COLUMN_NOT_FOUND: line 1:8"):
        run_query(client, "SELECT x", workgroup="w")


def test_a_refused_query_says_what_athena_said(athena):
    client, stub = athena
    stub.add_client_error("start_query_execution", "InvalidRequestException", "WorkGroup is not found")
    with pytest.raises(QueryFailedError, match="WorkGroup is not found"):
        run_query(client, "SELECT 1", workgroup="w")
