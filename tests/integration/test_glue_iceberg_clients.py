"""The Iceberg REST endpoint of Glue as engines attach it: Spark in a job, DuckDB with its own extension."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from athena_fixtures import Lake
from engine_fixtures import RunningEngine
from glue_fixtures import GlueStack, glue

from millpond.base.config import CHECKOUT

__all__ = ["glue"]

# DuckDB's extensions are fetched, by pip and with their hashes.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]
EXTENSIONS = ("httpfs", "avro", "aws", "iceberg")
# What follows the address of the endpoint, as AWS's documentation has it for a Spark of one's own.
SPARK = """
import sys
from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession

args = getResolvedOptions(sys.argv, ["uri"])
settings = {
    "": "org.apache.iceberg.spark.SparkCatalog",
    ".type": "rest",
    ".uri": args["uri"],
    ".warehouse": "000000000000",
    ".rest.sigv4-enabled": "true",
    ".rest.signing-name": "glue",
    ".rest.signing-region": "eu-west-1",
    ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
}
builder = SparkSession.builder.config(
    "spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
)
for name, value in settings.items():
    builder = builder.config("spark.sql.catalog.lake" + name, value)
spark = builder.getOrCreate()
for statement in (
    "CREATE NAMESPACE lake.rest LOCATION 's3://athena-tests/rest'",
    "CREATE TABLE lake.rest.orders (id BIGINT, city STRING) USING iceberg PARTITIONED BY (city)",
    "INSERT INTO lake.rest.orders VALUES (1, 'Oslo'), (2, 'Rome'), (3, 'Rome')",
    "ALTER TABLE lake.rest.orders ADD COLUMN price INT",
    "UPDATE lake.rest.orders SET price = 7 WHERE city = 'Rome'",
    "DELETE FROM lake.rest.orders WHERE id = 3",
    "MERGE INTO lake.rest.orders o USING (SELECT 1 AS id) n ON o.id = n.id "
    "WHEN MATCHED THEN UPDATE SET price = 1",
):
    spark.sql(statement)
print([tuple(row) for row in spark.sql("SELECT * FROM lake.rest.orders ORDER BY id").collect()])
print([row.tableName for row in spark.sql("SHOW TABLES IN lake.rest").collect()])
try:
    spark.sql("CREATE TABLE lake.rest.made USING iceberg AS SELECT 1 AS n")
except Exception as error:
    print(error)
"""


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> Lake:
    return Lake(running_engine)


@pytest.fixture(scope="module")
def database(
    tmp_path_factory: pytest.TempPathFactory, running_engine: RunningEngine
) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the catalog attached as ``lake``."""
    there = tmp_path_factory.mktemp("extensions")
    pip = [str(Path(sys.base_prefix) / "bin" / "python3"), "-m", "pip", "--quiet", "install", "--no-deps"]
    lock = CHECKOUT / "requirements" / "iceberg-clients.txt"
    subprocess.run([*pip, "--require-hashes", "--target", str(there), "-r", str(lock)], check=True)
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        for name in EXTENSIONS:
            place = f"duckdb_extension_{name}/extensions/v{duckdb.__version__}/{name}.duckdb_extension"
            found = [one for path in (there, *map(Path, sys.path)) if (one := path / place).exists()]
            connection.execute(f"LOAD '{found[0]}'")
        endpoint, region = running_engine.settings.endpoint_url, running_engine.settings.region
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION '{region}', URL_STYLE 'path', "
            f"ENDPOINT '{endpoint.removeprefix('http://')}', USE_SSL false)"
        )
        # What ENDPOINT_TYPE glue stands for, at another address: it names AWS's host and nothing else.
        connection.execute(
            f"ATTACH '000000000000' AS lake (TYPE iceberg, ENDPOINT '{endpoint}/iceberg', "
            f"AUTHORIZATION_TYPE sigv4, SIGV4_SERVICE 'glue', SIGV4_REGION '{region}', "
            "STAGE_CREATE_TABLES false, PURGE_REQUESTED false)"
        )
        yield connection


def test_spark_makes_writes_and_reads_tables_by_rest(glue: GlueStack, lake: Lake) -> None:
    uri = f"{glue.context.endpoint_url}/iceberg"
    run = glue.run(
        SPARK,
        command="glueetl",
        arguments={"--uri": uri},
        DefaultArguments={"--datalake-formats": "iceberg"},
    )
    assert run["JobRunState"] == "SUCCEEDED", (run.get("ErrorMessage"), glue.errors(run)[-3000:])
    rows, tables, *refused = glue.output(run).splitlines()
    assert rows == "[(1, 'Oslo', 1), (2, 'Rome', 7)]"
    assert tables == "['orders']"
    assert "Stage create is not supported" in " ".join(refused)
    assert lake.rows("SELECT id, price FROM rest.orders ORDER BY 1") == [("1", "1"), ("2", "7")]


def test_duckdb_makes_writes_and_reads_tables_by_rest(
    database: duckdb.DuckDBPyConnection, lake: Lake
) -> None:
    lake.glue.create_database(DatabaseInput={"Name": "duck", "LocationUri": "s3://athena-tests/duck"})
    for statement in (
        "CREATE TABLE lake.duck.orders (id BIGINT, city VARCHAR)",
        "INSERT INTO lake.duck.orders VALUES (1, 'Oslo'), (2, 'Rome'), (3, 'Rome')",
        "DELETE FROM lake.duck.orders WHERE id = 3",
        "UPDATE lake.duck.orders SET city = 'Bonn' WHERE id = 1",
    ):
        database.execute(statement)
    answer = [(1, "Bonn"), (2, "Rome")]
    assert database.execute("SELECT * FROM lake.duck.orders ORDER BY id").fetchall() == answer
    assert lake.rows("SELECT * FROM duck.orders ORDER BY 1") == [("1", "Bonn"), ("2", "Rome")]
    lake.rows("INSERT INTO duck.orders VALUES (4, 'Kyiv')")
    assert database.execute("SELECT count(*) FROM lake.duck.orders").fetchall() == [(3,)]
    database.execute("DROP TABLE lake.duck.orders")
    assert lake.glue.get_tables(DatabaseName="duck")["TableList"] == []
    with pytest.raises(duckdb.Error, match=r"Schema|does not exist"):
        database.execute("CREATE TABLE lake.nowhere.orders (id BIGINT)")
