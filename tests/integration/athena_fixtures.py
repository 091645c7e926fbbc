"""Tables in the lake, and queries through Athena's API, for tests of the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_fixtures import RunningEngine
from waiting import wait_until

BUCKET = "athena-tests"
RESULTS = f"s3://{BUCKET}/results/"
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Answer:
    """What a query gave."""

    execution: dict[str, Any]
    columns: list[dict[str, Any]]
    rows: list[tuple[str | None, ...]]

    @property
    def state(self) -> str:
        return str(self.execution["Status"]["State"])

    @property
    def reason(self) -> str:
        return str(self.execution["Status"].get("StateChangeReason", ""))

    @property
    def scanned(self) -> int:
        return int(self.execution["Statistics"]["DataScannedInBytes"])

    @property
    def location(self) -> str:
        return str(self.execution["ResultConfiguration"]["OutputLocation"])


class Lake:
    """A bucket, a Glue database, and Athena on a running engine."""

    def __init__(self, running: RunningEngine, database: str = "lake") -> None:
        self.database = database
        self.s3 = running.client("s3")
        self.glue = running.client("glue")
        self.athena = running.client("athena")
        self.settings = running.settings
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": running.settings.region}
        )
        self.glue.create_database(DatabaseInput={"Name": database})

    def upload(self, path: Path, key: str) -> str:
        """Put a file into the bucket; the directory it is in."""
        self.s3.upload_file(str(path), BUCKET, key)
        return f"s3://{BUCKET}/{key.rpartition('/')[0]}/"

    def table(
        self, name: str, columns: Mapping[str, str], location: str, keys: Mapping[str, str] | None = None
    ) -> None:
        """Register a Parquet table."""
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": n, "Type": t} for n, t in (keys or {}).items()],
                "StorageDescriptor": {
                    "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
                    "Location": location,
                    **PARQUET,
                },
            },
        )

    def partition(self, name: str, values: Sequence[str], location: str) -> None:
        """Register a partition."""
        self.glue.create_partition(
            DatabaseName=self.database,
            TableName=name,
            PartitionInput={"Values": list(values), "StorageDescriptor": {"Location": location, **PARQUET}},
        )

    def start(self, query: str, **request: Any) -> str:
        request.setdefault("ResultConfiguration", {"OutputLocation": RESULTS})
        request.setdefault("QueryExecutionContext", {"Database": self.database})
        return str(self.athena.start_query_execution(QueryString=query, **request)["QueryExecutionId"])

    def execution(self, query_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)
        return dict(answer["QueryExecution"])

    def wait(self, query_id: str) -> dict[str, Any]:
        """The execution once it has ended."""

        def ended() -> dict[str, Any] | None:
            execution = self.execution(query_id)
            return execution if execution["Status"]["State"] in FINAL else None

        return wait_until(f"end of {query_id}", ended)

    def ask(self, query: str, **request: Any) -> Answer:
        """Run a query to its end, whatever that is; the header row is left out."""
        execution = self.wait(self.start(query, **request))
        if execution["Status"]["State"] != "SUCCEEDED":
            return Answer(execution, [], [])
        columns: list[dict[str, Any]] = []
        rows: list[tuple[str | None, ...]] = []
        pages = self.athena.get_paginator("get_query_results")
        for page in pages.paginate(QueryExecutionId=execution["QueryExecutionId"]):
            columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            rows += [tuple(d.get("VarCharValue") for d in row["Data"]) for row in page["ResultSet"]["Rows"]]
        is_query = execution["StatementType"] == "DML"
        return Answer(execution, columns, rows[1:] if is_query else rows)

    def rows(self, query: str, **request: Any) -> list[tuple[str | None, ...]]:
        """The rows of a query that must succeed."""
        answer = self.ask(query, **request)
        assert answer.state == "SUCCEEDED", answer.reason
        return answer.rows

    def reason(self, query: str, **request: Any) -> str:
        """Why a query that must fail has failed."""
        answer = self.ask(query, **request)
        assert answer.state == "FAILED", answer.state
        return answer.reason
