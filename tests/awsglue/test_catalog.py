"""Tables of the Data Catalog and buckets of S3, on an engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from conftest import shown

Frame = Callable[..., Any]


@pytest.fixture(scope="module")
def catalog() -> Any:
    return boto3.client("glue")


@pytest.fixture(scope="module")
def database(catalog: Any, bucket: str) -> str:
    catalog.create_database(DatabaseInput={"Name": "lake", "LocationUri": f"s3://{bucket}/lake/"})
    return "lake"


@pytest.fixture(scope="module")
def put(bucket: str) -> Callable[..., None]:
    def write(key: str, text: str) -> None:
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    return write


@pytest.fixture(scope="module")
def orders(catalog: Any, database: str, bucket: str, put: Callable[..., None]) -> str:
    """A table as a crawler makes it: CSV with a header, a number that is not always one, two partitions."""
    location = f"s3://{bucket}/orders/"
    storage = {
        "Columns": [
            {"Name": "id", "Type": "bigint"},
            {"Name": "n", "Type": "int"},
            {"Name": "name", "Type": "string"},
        ],
        "Location": location,
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "Parameters": {"field.delim": ","},
        },
    }
    catalog.create_table(
        DatabaseName=database,
        TableInput={
            "Name": "orders",
            "StorageDescriptor": storage,
            "PartitionKeys": [{"Name": "month", "Type": "string"}, {"Name": "part", "Type": "int"}],
            "Parameters": {"classification": "csv", "skip.header.line.count": "1"},
        },
    )
    rows = {
        "month=01/part=1": "id,n,name\n1,1,a\nx,2,\n",
        "month=02/part=2": "id,n,name\n3,,c\n",
        "elsewhere": "id,n,name\n4,4,d\n",
    }
    for place, text in rows.items():
        put(f"orders/{place}/a.csv", text)
        values = (
            ["03", "3"] if place == "elsewhere" else [part.partition("=")[2] for part in place.split("/")]
        )
        catalog.create_partition(
            DatabaseName=database,
            TableName="orders",
            PartitionInput={
                "Values": values,
                "StorageDescriptor": {**storage, "Location": f"{location}{place}/"},
            },
        )
    return "orders"


@pytest.fixture
def table(glue: Any, database: str) -> Callable[..., Any]:
    def read(name: str, **options: Any) -> Any:
        return glue.create_dynamic_frame.from_catalog(database=database, table_name=name, **options)

    return read


def test_texts_that_are_not_of_a_columns_type_make_it_a_choice(
    table: Callable[..., Any], orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = table(orders)
    frame.printSchema()
    assert capsys.readouterr().out == (
        "root\n|-- id: choice\n|    |-- long\n|    |-- string\n|-- n: int\n|-- name: string\n"
        "|-- month: string\n|-- part: int\n\n"
    )
    assert sorted(shown(frame), key=lambda one: one["part"]) == [
        {"id": 1, "n": 1, "name": "a", "month": "01", "part": 1},
        {"id": "x", "n": 2, "name": "", "month": "01", "part": 1},
        {"id": 3, "n": None, "name": "c", "month": "02", "part": 2},
        {"id": 4, "n": 4, "name": "d", "month": "03", "part": 3},
    ]
    long = frame.resolveChoice(choice="match_catalog", database="lake", table_name=orders)
    assert [one["id"] for one in shown(long) if one["part"] == 1] == [1, None]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"push_down_predicate": "month = '01' AND part < 5"}, ["", "a"]),
        ({"push_down_predicate": "month >= '02'"}, ["c", "d"]),
        ({"additional_options": {"catalogPartitionPredicate": "month='02'"}}, ["c"]),
        ({"push_down_predicate": "month = 'none'"}, []),
        ({"additional_options": {"exclusions": '["**/elsewhere/**"]'}}, ["", "a", "c"]),
    ],
)
def test_partitions_and_files_that_are_read(
    table: Callable[..., Any], orders: str, options: dict[str, Any], names: list[str]
) -> None:
    assert sorted(one["name"] for one in shown(table(orders, **options))) == names


def test_mapping_reads_a_pending_type_without_a_pass_for_it(table: Callable[..., Any], orders: str) -> None:
    frame = table(orders, push_down_predicate="month = '01'")
    mapped = frame.apply_mapping([("id", "long", "id", "long"), ("name", "string", "name", "string")])
    assert shown(mapped) == [{"id": 1, "name": "a"}, {"id": None, "name": ""}]
    cast = frame.select_fields(["id"]).resolveChoice(specs=[("id", "cast:string")])
    assert [one["id"] for one in shown(cast)] == ["1", "x"]
    assert frame._get().pending


def test_json_of_a_table_has_the_wider_numbers_of_the_table(
    catalog: Any, database: str, bucket: str, put: Callable[..., None], table: Callable[..., Any]
) -> None:
    put("events/a.json", '{"name": "a", "n": 1, "more": true}\n')
    catalog.create_table(
        DatabaseName=database,
        TableInput={
            "Name": "events",
            "StorageDescriptor": {
                "Columns": [{"Name": "n", "Type": "bigint"}, {"Name": "name", "Type": "string"}],
                "Location": f"s3://{bucket}/events/",
                "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
            },
        },
    )
    types = [(one.name, one.dataType.typeName()) for one in table("events").schema()]
    assert types == [("n", "long"), ("name", "string"), ("more", "boolean")]


def test_sink_makes_a_table_then_adds_partitions_and_columns(
    glue: Any, frame: Frame, catalog: Any, database: str, bucket: str, table: Callable[..., Any]
) -> None:
    def write(behavior: str, *records: dict[str, Any]) -> Any:
        sink = glue.getSink(
            connection_type="s3",
            path=f"s3://{bucket}/made/",
            enableUpdateCatalog=True,
            updateBehavior=behavior,
            partitionKeys=["Month"],
            transformation_ctx="sink",
        )
        sink.setFormat("glueparquet", compression="snappy")
        sink.setCatalogInfo(catalogDatabase=database, catalogTableName="Made")
        sink.writeFrame(frame(*records))
        made = catalog.get_table(DatabaseName=database, Name="made")["Table"]
        partitions = catalog.get_partitions(DatabaseName=database, TableName="made")["Partitions"]
        columns = [(one["Name"], one["Type"]) for one in made["StorageDescriptor"]["Columns"]]
        return made, columns, sorted(one["Values"][0] for one in partitions)

    made, columns, values = write("UPDATE_IN_DATABASE", {"Month": "a b", "Id": 1, "none": None})
    assert (columns, values) == ([("id", "int"), ("none", "string")], ["a b"])
    assert made["Parameters"]["classification"] == "parquet"
    _, columns, values = write("UPDATE_IN_DATABASE", {"Month": "02", "Id": 2, "more": [1.5]})
    assert (columns, values) == ([("id", "int"), ("more", "array<double>")], ["02", "a b"])
    _, columns, values = write("LOG", {"Month": "03", "Id": 3})
    assert (columns, values) == ([("id", "int"), ("more", "array<double>")], ["02", "03", "a b"])
    _, columns, values = write("LOG", {"Month": "04", "other": 3})
    assert (columns, values) == ([("id", "int"), ("more", "array<double>")], ["02", "03", "a b"])
    read = sorted((one["month"], one["Id"], one["more"]) for one in shown(table("made")))
    assert read == [("02", 2, [1.5]), ("03", 3, None), ("a b", 1, None)]
    with pytest.raises(ValueError, match=r"partitionKeys"):
        glue.write_dynamic_frame.from_catalog(
            frame=frame({"Id": 1}),
            database=database,
            table_name="made",
            additional_options={"enableUpdateCatalog": True, "partitionKeys": ["Id"]},
        )


def test_frame_is_written_to_where_a_table_is_in_its_format(
    glue: Any, frame: Frame, orders: str, bucket: str, database: str
) -> None:
    glue.write_dynamic_frame.from_catalog(frame({"id": 9, "n": 9, "name": "z"}), database, orders)
    s3 = boto3.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="orders/part-")["Contents"]]
    assert [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys] == [b"id,n,name\n9,9,z\n"]


def test_tables_are_read_as_samples_and_data_frames(glue: Any, database: str, orders: str) -> None:
    where = {"database": database, "table_name": orders, "push_down_predicate": "part IN (1, 3)"}
    assert glue.create_sample_dynamic_frame.from_catalog(num=2, **where).count() == 2
    rows = glue.create_data_frame.from_catalog(**where).select("name", "id.long").collect()
    assert sorted((row.name, row.long) for row in rows) == [("", None), ("a", 1), ("d", 4)]


def test_columns_of_a_table_are_those_of_spark(glue: Any, database: str, orders: str) -> None:
    schema = glue.get_catalog_schema_as_spark_schema(database, orders)
    assert schema.simpleString() == "struct<id:bigint,n:int,name:string,month:string,part:int>"


def test_data_frames_are_written_likewise(glue: Any, spark: Any, bucket: str, database: str) -> None:
    df = spark.sql("SELECT 1 AS id, 1 AS n, 'a' AS name")
    path = f"s3://{bucket}/frames/"
    assert glue.write_data_frame.from_options(df, "s3", {"path": path}, "json") is df
    boto3.client("glue").create_table(
        DatabaseName=database,
        TableInput={
            "Name": "frames",
            "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "int"}], "Location": path},
            "Parameters": {"classification": "json"},
        },
    )
    assert glue.write_data_frame.from_catalog(df, database, "frames") is df
    read = glue.create_dynamic_frame.from_catalog(database=database, table_name="frames")
    assert shown(read) == [{"id": 1, "n": 1, "name": "a"}] * 2


def test_files_are_moved_to_another_storage_class_and_deleted(
    glue: Any, catalog: Any, database: str, bucket: str, put: Callable[..., None], orders: str
) -> None:
    s3 = boto3.client("s3")

    def classes(prefix: str) -> list[str]:
        return [
            one["StorageClass"]
            for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        ]

    put("old/a", "x")
    put("old/b/c", "x")
    glue.purge_s3_path(f"s3://{bucket}/old/")
    who = {"accountId": "0", "roleArn": "r", "retentionPeriod": 0}
    glue.transition_s3_path(f"s3://{bucket}/old/", "STANDARD_IA", who)
    assert classes("old/") == ["STANDARD_IA", "STANDARD_IA"]
    options = {"retentionPeriod": 0, "manifestFilePath": f"s3://{bucket}/manifest/"}
    glue.purge_s3_path(f"s3://{bucket}/old/", {**options, "excludeStorageClasses": ["STANDARD_IA"]})
    assert len(classes("old/")) == 2
    glue.purge_s3_path(f"s3://{bucket}/old/", options)
    assert classes("old/") == []
    manifest = s3.get_object(Bucket=bucket, Key="manifest/Success.csv")["Body"].read().decode()
    assert manifest == f"s3://{bucket}/old/a\ns3://{bucket}/old/b/c\n"
    with pytest.raises(ValueError, match="accountId"):
        glue.transition_table(database, orders, "STANDARD_IA")
    glue.transition_table(database, orders, "STANDARD_IA", {**who, "partitionPredicate": "part = 2"})
    assert classes("orders/month=02/") == ["STANDARD_IA"]
    glue.purge_table(database, orders, {"retentionPeriod": 0, "partitionPredicate": "month = '02'"})
    left = catalog.get_partitions(DatabaseName=database, TableName=orders)["Partitions"]
    assert sorted(one["Values"][0] for one in left) == ["01", "03"]
    assert classes("orders/month=02/") == []


def test_connection_says_where_it_leads(glue: Any, catalog: Any) -> None:
    boto3.client("secretsmanager").create_secret(
        Name="db", SecretString=json.dumps({"username": "u", "password": "p"})
    )
    catalog.create_connection(
        ConnectionInput={
            "Name": "pg",
            "ConnectionType": "JDBC",
            "ConnectionProperties": {
                "JDBC_CONNECTION_URL": "jdbc:postgresql://h:5432/erp",
                "SECRET_ID": "db",
            },
        }
    )
    conf = glue.extract_jdbc_conf("pg")
    assert {name: conf[name] for name in ("url", "fullUrl", "user", "password", "vendor")} == {
        "url": "jdbc:postgresql://h:5432",
        "fullUrl": "jdbc:postgresql://h:5432/erp",
        "user": "u",
        "password": "p",
        "vendor": "postgresql",
    }


def test_items_of_dynamodb_are_read_and_written(glue: Any, frame: Frame) -> None:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    glue.write_dynamic_frame.from_options(
        frame({"id": "a", "n": 1, "m": {"x": 1.5}, "none": None}, {"id": "b", "l": [True, "y"]}),
        "dynamodb",
        {"dynamodb.output.tableName": "items"},
    )
    read = glue.create_dynamic_frame.from_options(
        "dynamodb", {"dynamodb.input.tableName": "items", "dynamodb.splits": "2"}
    )
    assert sorted(shown(read), key=lambda one: one["id"]) == [
        {"id": "a", "n": 1, "m": {"x": 1.5}, "l": None},
        {"id": "b", "n": None, "m": None, "l": [True, "y"]},
    ]
    arn = client.describe_table(TableName="items")["Table"]["TableArn"]
    export = {"dynamodb.export": "ddb", "dynamodb.tableArn": arn, "dynamodb.splits": "1"}
    [raw, _] = sorted(
        shown(glue.create_dynamic_frame.from_options("dynamodb", export)),
        key=lambda one: one["Item"]["id"]["S"],
    )
    assert (raw["Item"]["id"], raw["Item"]["n"]) == ({"S": "a"}, {"N": "1"})
    for option in ("dynamodb.unnestDDBJson", "dynamodb.simplifyDDBJson"):
        made = shown(glue.create_dynamic_frame.from_options("dynamodb", {**export, option: True}))
        assert sorted(one["id"] for one in made) == ["a", "b"]
    with pytest.raises(NotImplementedError, match=r"dynamodb\.export s3"):
        glue.create_dynamic_frame.from_options("dynamodb", {"dynamodb.export": "s3"}).count()


def test_items_of_dynamodb_are_in_another_region_and_by_another_role(glue: Any, frame: Frame) -> None:
    client = boto3.client("dynamodb", region_name="us-east-2")
    client.create_table(
        TableName="elsewhere",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    role = boto3.client("iam").create_role(
        RoleName="reads-elsewhere",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    where = {"dynamodb.region": "us-east-2", "dynamodb.sts.roleArn": role}
    glue.write_dynamic_frame.from_options(
        frame({"id": "a"}), "dynamodb", {**where, "dynamodb.output.tableName": "elsewhere"}
    )
    assert client.scan(TableName="elsewhere")["Count"] == 1
    options = {**where, "dynamodb.input.tableName": "elsewhere"}
    assert shown(glue.create_dynamic_frame.from_options("dynamodb", options)) == [{"id": "a"}]
