"""The Iceberg REST endpoint of Glue, as pyiceberg's own REST client and signed requests use it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from athena_fixtures import Lake
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from engine_fixtures import RunningEngine
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from millpond.client import permissions

ACCOUNT = "000000000000"
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=False), NestedField(2, "city", StringType(), required=False)
)
BY_CITY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "city"))
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def lake(running_engine: RunningEngine) -> Lake:
    where = {"LocationConstraint": running_engine.settings.region}
    running_engine.client("s3").create_bucket(Bucket="iceberg", CreateBucketConfiguration=where)
    return Lake(running_engine)


@pytest.fixture(scope="module")
def catalog(lake: Lake, running_engine: RunningEngine) -> RestCatalog:
    endpoint, region = running_engine.settings.endpoint_url, running_engine.settings.region
    made = load_catalog(
        "rest",
        **{
            "type": "rest",
            "uri": f"{endpoint}/iceberg",
            "warehouse": ACCOUNT,
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "glue",
            "rest.signing-region": region,
            "client.access-key-id": "test",
            "client.secret-access-key": "test",
            "client.region": region,
            "s3.endpoint": endpoint,
        },
    )
    assert isinstance(made, RestCatalog)
    return made


@pytest.fixture(scope="module")
def ask(running_engine: RunningEngine) -> Ask:
    settings = running_engine.settings

    def request(method: str, path: str, body: Any = None, key: str = "test") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body)
        signed = AWSRequest(method, f"{settings.endpoint_url}/iceberg{path}", data=data)
        SigV4Auth(Credentials(key, "test"), "glue", settings.region).add_auth(signed)
        sent = urllib.request.Request(
            signed.url, data.encode() if data else None, dict(signed.headers.items()), method=method
        )
        try:
            with urllib.request.urlopen(sent) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    return request


def test_namespaces_are_databases(catalog: RestCatalog, ask: Ask, lake: Lake) -> None:
    catalog.create_namespace("shop", {"location": "s3://iceberg/shop", "team": "sales"})
    with pytest.raises(NamespaceAlreadyExistsError):
        catalog.create_namespace("shop")
    database = lake.glue.get_database(Name="shop")["Database"]
    assert (database["LocationUri"], database["Parameters"]) == ("s3://iceberg/shop", {"team": "sales"})
    assert ("shop",) in catalog.list_namespaces()
    assert catalog.list_namespaces("shop") == []
    summary = catalog.update_namespace_properties("shop", {"team", "absent"}, {"owner": "me"})
    assert (summary.updated, summary.removed, summary.missing) == (["owner"], ["team"], ["absent"])
    properties = catalog.load_namespace_properties("shop")
    assert (properties["owner"], properties["location"]) == ("me", "s3://iceberg/shop")
    with pytest.raises(NoSuchNamespaceError):
        catalog.load_namespace_properties("nowhere")
    # Another account has a catalog of its own.
    theirs = ask("GET", "/v1/catalogs/222222222222/namespaces", key="222222222222")
    assert theirs == (200, {"namespaces": []})


def test_a_table_is_made_written_changed_read_and_dropped(catalog: RestCatalog, lake: Lake) -> None:
    catalog.create_namespace("trade", {"location": "s3://iceberg/trade"})
    table = catalog.create_table("trade.orders", SCHEMA, partition_spec=BY_CITY, properties={"note": "first"})
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table("trade.orders", SCHEMA)
    table.append(pa.table({"id": [1, 2], "city": ["Oslo", "Rome"]}))
    stale = catalog.load_table("trade.orders")
    with table.update_schema() as update:
        update.add_column("price", LongType())
    table.append(pa.table({"id": [3], "city": ["Rome"], "price": [7]}))
    with pytest.raises(CommitFailedException), stale.update_schema() as update:
        update.add_column("weight", LongType())
    assert catalog.list_tables("trade") == [("trade", "orders")]
    assert catalog.table_exists("trade.orders")
    assert not catalog.table_exists("trade.others")
    rows = catalog.load_table("trade.orders").scan().to_arrow().sort_by("id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [(1, "Oslo", None), (2, "Rome", None), (3, "Rome", 7)]

    described = lake.glue.get_table(DatabaseName="trade", Name="orders")["Table"]
    assert described["Parameters"]["table_type"] == "ICEBERG"
    assert [column["Name"] for column in described["StorageDescriptor"]["Columns"]] == ["id", "city", "price"]
    # What the API of Glue holds is what Athena reads.
    by_city = lake.rows("SELECT city, count(*) FROM trade.orders GROUP BY 1 ORDER BY 1")
    assert by_city == [("Oslo", "1"), ("Rome", "2")]
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace("trade")
    with pytest.raises(BadRequestError, match="PurgeRequested cannot be true for Glue iceberg tables"):
        catalog.purge_table("trade.orders")
    catalog.drop_table("trade.orders")
    with pytest.raises(NoSuchTableError):
        catalog.load_table("trade.orders")
    catalog.drop_namespace("trade")
    assert ("trade",) not in catalog.list_namespaces()


def test_what_the_endpoint_does_not_do_is_refused_in_its_words(ask: Ask, lake: Lake) -> None:
    below = "/v1/catalogs/000000000000"
    status, said = ask("GET", "/v1/config")
    assert (status, said["overrides"]) == (200, {"prefix": "catalogs/000000000000"})
    # Clients commit table by table where they are not told that several can be committed at once.
    assert "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}" in said["endpoints"]
    assert not [one for one in said["endpoints"] if "transactions" in one or "views" in one]
    assert ask("POST", f"{below}/namespaces", {"namespace": ["kinds"]})[0] == 200
    lake.glue.create_table(DatabaseName="kinds", TableInput={"Name": "plain", "Parameters": {}})
    fields = [{"id": 1, "name": "id", "type": "long", "required": False}]
    staged = {"name": "s", "schema": {"type": "struct", "fields": fields}, "stage-create": True}
    without_place = {"name": "s", "schema": {"type": "struct", "fields": fields}}
    refused, missing = (400, "InvalidInputException"), (404, "EntityNotFoundException")
    unsupported = (406, "UnsupportedOperationException")
    tables = f"{below}/namespaces/kinds/tables"
    cases = (
        ("GET", "/v1/config?warehouse=999999999999", None, missing),
        ("GET", "/v1/catalogs/999999999999/namespaces", None, missing),
        ("GET", f"{below}/namespaces/none", None, missing),
        ("GET", f"{below}/namespaces/none/tables", None, missing),
        ("GET", f"{tables}/none", None, missing),
        ("POST", f"{below}/namespaces", {"namespace": ["a", "b"]}, refused),
        ("POST", f"{below}/namespaces", ["a"], refused),
        ("POST", tables, staged, refused),
        ("POST", tables, without_place, refused),
        ("POST", tables, {"name": "x"}, refused),
        ("POST", tables, ["x"], refused),
        ("GET", f"{tables}/plain", None, refused),
        ("POST", f"{tables}/plain", {}, refused),
        ("GET", f"{tables}?pageSize=x", None, refused),
        ("GET", f"{tables}?pageToken=x", None, refused),
        ("POST", f"{below}/tables/rename", {}, refused),
        ("GET", f"{below}/namespaces/kinds/views", None, unsupported),
        ("POST", f"{below}/transactions/commit", {}, unsupported),
        ("GET", "/v2/anything", None, (404, "UnknownOperationException")),
    )
    for method, path, body, expected in cases:
        status, said = ask(method, path, body)
        assert (status, said["error"]["type"], said["error"]["code"]) == (*expected, status), (path, said)
    assert ask("HEAD", f"{below}/namespaces/kinds") == (204, None)
    assert ask("HEAD", f"{below}/namespaces/none")[0] == 404
    assert ask("GET", tables) == (200, {"identifiers": []})
    assert ask("POST", tables, staged)[1]["error"]["message"] == "Stage create is not supported"


def test_pages_follow_each_other(ask: Ask, lake: Lake) -> None:
    for number in range(5):
        lake.glue.create_database(DatabaseInput={"Name": f"page{number}"})
    seen, path = [], "/v1/catalogs/000000000000/namespaces?pageSize=2"
    token = ""
    while True:
        _, said = ask("GET", f"{path}&pageToken={token}" if token else path)
        assert len(said["namespaces"]) <= 2
        seen += [name for (name,) in said["namespaces"]]
        if not (token := said.get("next-page-token", "")):
            break
    assert [name for name in seen if name.startswith("page")] == [f"page{number}" for number in range(5)]


def test_a_bucket_of_that_name_is_still_a_bucket(lake: Lake, running_engine: RunningEngine) -> None:
    s3 = running_engine.client("s3")
    s3.put_object(Bucket="iceberg", Key="v1/config", Body=b"mine")
    assert s3.get_object(Bucket="iceberg", Key="v1/config")["Body"].read() == b"mine"


def test_what_a_role_may_not_do_is_denied_in_words_of_aws(
    catalog: RestCatalog, ask: Ask, running_engine: RunningEngine
) -> None:
    catalog.create_namespace("kept", {"location": "s3://iceberg/kept"})
    catalog.create_table("kept.orders", SCHEMA)
    iam, sts = running_engine.client("iam"), running_engine.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    reads = {"Effect": "Allow", "Action": ["glue:GetCatalog", "glue:GetDatabase", "glue:GetTable*"]}
    reads_files = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::iceberg/*"}
    trusted, policy = (
        json.dumps({"Version": "2012-10-17", "Statement": statements})
        for statements in ([trust], [{**reads, "Resource": "*"}, reads_files])
    )
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=policy)
    key = sts.assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]["AccessKeyId"]
    below = "/v1/catalogs/000000000000/namespaces"
    session = "arn:aws:sts::000000000000:assumed-role/reader/run"
    permissions.ask(running_engine.settings, "PUT", {"mode": "enforce"})
    try:
        assert ask("GET", "/v1/config", key=key)[0] == 200
        assert ask("GET", f"{below}/kept/tables/orders", key=key)[0] == 200
        asked = {
            "glue:CreateDatabase": ask("POST", below, {"namespace": ["more"]}, key=key),
            "glue:GetDatabases": ask("GET", below, key=key),
            "glue:DeleteTable": ask("DELETE", f"{below}/kept/tables/orders", key=key),
        }
    finally:
        permissions.ask(running_engine.settings, "PUT", {"mode": "audit"})
    for action, (status, said) in asked.items():
        assert (status, said["error"]["type"]) == (403, "AccessDeniedException"), said
        assert said["error"]["message"].startswith(
            f"User: {session} is not authorized to perform: {action} on resource: arn:aws:glue:"
        )
    assert catalog.table_exists("kept.orders")
