"""Filters and names of the metastore, and its server asked by a Thrift client over moto's Glue."""

from __future__ import annotations

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from thriftpy2.rpc import client_context

from millpond.planes.glue.metastore import Metastore
from millpond.planes.glue.metastore.filters import NULL, FilterError, compile_filter
from millpond.planes.glue.metastore.interface import SERVICE, hive
from millpond.planes.glue.metastore.names import partition_name, partition_values

TYPES = {"day": "string", "n": "int", "d": "date"}
ROWS = [
    {"day": "2026-01-01", "n": "9", "d": "2026-01-01"},
    {"day": "2026-01-02", "n": "10", "d": "2026-01-02"},
    {"day": "2026-02-01", "n": "-1", "d": "2026-02-01"},
    {"day": 'a"b.c', "n": NULL, "d": NULL},
]


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("", [0, 1, 2, 3]),
        ('day = "2026-01-01"', [0]),
        ('"2026-01-01" < day and day < "2026-03"', [1, 2]),
        ('day != "2026-01-01"', [1, 2, 3]),
        ('day like "2026-01.*"', [0, 1]),
        ('day like ".*-01"', [0, 2]),
        # A point is a point: Spark quotes nothing.
        ('day like "2026.01.*"', []),
        ("n > 9", [1]),
        ("9 >= n", [0, 2]),
        ("n = -1", [2]),
        ('(day) in ("2026-01-01", "2026-02-01")', [0, 2]),
        ('(n = 9 or n = 10) and not (d = "2026-01-02")', [0]),
        ('d >= "2026-01-02"', [1, 2]),
    ],
)
def test_a_filter_keeps_the_partitions_that_hive_would(text, fitting):
    fits = compile_filter(text, TYPES)
    assert [number for number, row in enumerate(ROWS) if fits(row)] == fitting


@pytest.mark.parametrize(
    "text", ["day +", "other = 1", "n = 'x'", "day = n", "lower(day) = 'x'", "day is null"]
)
def test_what_is_not_of_the_filter_language_is_refused(text):
    with pytest.raises(FilterError):
        compile_filter(text, TYPES)


@given(st.lists(st.text(min_size=1, alphabet=st.characters(codec="utf-8")), min_size=1, max_size=3))
def test_a_partitions_name_says_its_values(values):
    keys = [f"k{number}" for number in range(len(values))]
    assert partition_values(partition_name(keys, values)) == values


@pytest.fixture
def client(monkeypatch):
    with mock_aws(config={"core": {"service_whitelist": ["glue", "s3"]}}):
        glue = boto3.client("glue", region_name="eu-west-1")
        s3 = boto3.client("s3", region_name="eu-west-1")
        s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        glue.create_database(DatabaseInput={"Name": "sales", "LocationUri": "s3://lake/sales/"})
        metastore = Metastore(glue, s3, "http://127.0.0.1:4566")
        address = metastore.start()
        try:
            with client_context(SERVICE, "127.0.0.1", int(address.rpartition(":")[2])) as asked:
                asked.s3 = s3
                yield asked
        finally:
            metastore.stop()


def a_table(name: str, kind: str = "MANAGED_TABLE"):
    return hive.Table(
        tableName=name,
        dbName="sales",
        owner="me",
        retention=0,
        sd=hive.StorageDescriptor(
            cols=[hive.FieldSchema(name="id", type="int")], serdeInfo=hive.SerDeInfo(), numBuckets=-1
        ),
        partitionKeys=[hive.FieldSchema(name="day", type="string")],
        parameters={"spark.sql.sources.provider": "parquet"},
        tableType=kind,
    )


def keys_of(client) -> list[str]:
    return [one["Key"] for one in client.s3.list_objects_v2(Bucket="lake").get("Contents", [])]


def test_default_is_a_database_whether_the_catalog_has_it_or_not(client):
    assert client.get_all_databases() == ["default", "sales"]
    assert client.get_database("default").name == "default"
    with pytest.raises(hive.NoSuchObjectException):
        client.get_database("nosuch")


def test_a_managed_table_has_a_directory_that_is_deleted_with_it(client):
    client.create_table(a_table("orders"))
    made = client.get_table("sales", "orders")
    assert made.sd.location == "s3://lake/sales/orders"
    assert made.parameters == {"spark.sql.sources.provider": "parquet"}
    assert keys_of(client) == ["sales/orders/"]
    client.s3.put_object(Bucket="lake", Key="sales/orders/day=1/a.parquet")
    client.s3.put_object(Bucket="lake", Key="sales/orders_of_another/a.parquet")
    client.drop_table("sales", "orders", True)
    assert keys_of(client) == ["sales/orders_of_another/a.parquet"]
    with pytest.raises(hive.NoSuchObjectException):
        client.get_table("sales", "orders")


def test_the_data_of_an_external_table_stays(client):
    client.create_table(a_table("events", "EXTERNAL_TABLE"))
    client.s3.put_object(Bucket="lake", Key="sales/events/a.parquet")
    client.drop_table("sales", "events", True)
    assert "sales/events/a.parquet" in keys_of(client)


def test_partitions_get_their_place_and_are_found_by_name_and_filter(client):
    client.create_table(a_table("orders"))
    parts = [
        hive.Partition(
            values=[value],
            dbName="sales",
            tableName="orders",
            sd=hive.StorageDescriptor(cols=[], serdeInfo=hive.SerDeInfo(), numBuckets=-1),
            parameters={},
        )
        for value in ("2026-01-01", "2026-01-02", "a/b")
    ]
    request = hive.AddPartitionsRequest(
        dbName="sales", tblName="orders", parts=parts, ifNotExists=False, needResult=False
    )
    client.add_partitions_req(request)
    assert client.get_partition_names("sales", "orders", -1) == [
        "day=2026-01-01",
        "day=2026-01-02",
        "day=a%2Fb",
    ]
    filtered = client.get_partitions_by_filter("sales", "orders", 'day like "2026.*"', -1)
    assert [one.sd.location for one in filtered] == [
        "s3://lake/sales/orders/day=2026-01-01",
        "s3://lake/sales/orders/day=2026-01-02",
    ]
    with pytest.raises(hive.AlreadyExistsException):
        client.add_partitions_req(request)
    with pytest.raises(hive.MetaException, match="no partition key"):
        client.get_partitions_by_filter("sales", "orders", "other = 1", -1)
    assert len(client.get_partitions_ps("sales", "orders", ["a/b"], -1)) == 1


def test_what_the_catalog_cannot_do_is_refused_in_words(client):
    client.create_table(a_table("orders"))
    renamed = client.get_table("sales", "orders")
    renamed.tableName = "bills"
    with pytest.raises(hive.InvalidOperationException, match="UpdateTable changes no name"):
        client.alter_table("sales", "orders", renamed)
    with pytest.raises(hive.InvalidOperationException, match="not empty"):
        client.drop_database("sales", True, False)
    client.drop_database("sales", True, True)
    assert client.get_all_databases() == ["default"]
