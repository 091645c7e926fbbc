"""How a source table is compared with its registered structure, and what is registered then."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from ingest.postgresql import PostgreSQL
from ingest.settings_schema import choices
from lambda_modules import lambda_modules
from moto import mock_aws
from settings_items import settings_item

REGISTERED = {
    "id": "bigint",
    "status": "erp.order_status",
    "quantity": "integer",
    "price": "numeric(9,2)",
    "weight": "real",
    "note": "character varying(20)",
}
SETTINGS = settings_item("erp.orders", key_columns=["id"], schema_policy="strict")


@pytest.fixture(scope="module")
def modules() -> Iterator[SimpleNamespace]:
    with lambda_modules("register", "handler", "comparison") as modules:
        yield modules


def structure(modules: SimpleNamespace, columns: dict[str, str] = REGISTERED) -> dict[str, Any]:
    return {
        "table_id": "erp.orders",
        "version": 3,
        "columns": [
            {
                "name": name,
                "source_name": name,
                "source_type": kind,
                "type": PostgreSQL().type_of(kind).catalog_type,
                "nullable": True,
            }
            for name, kind in columns.items()
        ],
        "partitions": [{"name": "status", "source_name": "status", "transform": "identity"}],
    }


def compare(modules: SimpleNamespace, source: dict[str, str], **settings: Any) -> Any:
    columns = [modules.comparison.SourceColumn(name, kind, True) for name, kind in source.items()]
    usable = modules.handler.JobSettings.from_item({**SETTINGS, **settings}, "item")
    return modules.comparison.compare(usable, structure(modules), columns, PostgreSQL())


def test_an_unchanged_source_differs_in_nothing(modules: SimpleNamespace) -> None:
    comparison = compare(modules, REGISTERED)
    assert (comparison.change, comparison.differences) == ("none", ())


@pytest.mark.parametrize(
    ("column", "kind", "difference", "change"),
    [
        ("quantity", "bigint", "widened", "compatible"),
        ("quantity", "smallint", "narrowed", "breaking"),
        ("quantity", "numeric(10,0)", "retyped", "breaking"),
        ("quantity", "text", "retyped", "breaking"),
        ("price", "numeric(12,2)", "widened", "compatible"),
        ("price", "numeric(7,2)", "narrowed", "breaking"),
        ("price", "numeric(12,4)", "retyped", "breaking"),
        ("price", "numeric", "retyped", "breaking"),
        ("weight", "double precision", "widened", "compatible"),
        ("note", "character varying(40)", "widened", "compatible"),
        ("note", "text", "widened", "compatible"),
        ("note", "character varying(10)", "narrowed", "breaking"),
        ("status", "text", "widened", "compatible"),
    ],
)
def test_a_changed_type_is_what_iceberg_makes_of_it(
    modules: SimpleNamespace, column: str, kind: str, difference: str, change: str
) -> None:
    comparison = compare(modules, {**REGISTERED, column: kind})

    [found] = comparison.differences
    assert (found.kind, found.column, comparison.change) == (difference, column, change)
    assert found.text.startswith(f"{column} was {REGISTERED[column]} and is {kind}")


def test_a_new_column_is_compatible_and_gets_a_name_that_the_catalog_takes(modules: SimpleNamespace) -> None:
    comparison = compare(modules, {**REGISTERED, "Größe (cm)": "integer", "Note": "text"})

    assert comparison.change == "compatible"
    assert [one.text for one in comparison.differences] == ["Größe (cm) integer is new", "Note text is new"]
    assert [column["name"] for column in comparison.columns[-2:]] == ["grosse_cm", "note_2"]


def test_a_column_that_went_is_breaking(modules: SimpleNamespace) -> None:
    comparison = compare(modules, {name: kind for name, kind in REGISTERED.items() if name != "weight"})

    assert [(one.kind, one.text) for one in comparison.differences] == [("dropped", "weight real is gone")]
    assert comparison.change == "breaking"
    assert "weight" not in [column["name"] for column in comparison.columns]


def test_a_column_of_the_same_type_in_the_same_place_seems_renamed(modules: SimpleNamespace) -> None:
    source = {("mass" if name == "weight" else name): kind for name, kind in REGISTERED.items()}
    comparison = compare(modules, source)

    assert [one.text for one in comparison.differences] == ["weight real seems to be called mass now"]
    assert comparison.change == "breaking"
    assert comparison.columns[4]["renamed_from"] == "weight"


@pytest.mark.parametrize("source", [{"mass": "double precision"}, {}])
def test_another_type_or_another_place_is_no_new_name(
    modules: SimpleNamespace, source: dict[str, str]
) -> None:
    kept = {name: kind for name, kind in REGISTERED.items() if name != "weight"}
    at_the_end = {**kept, "mass": "real"}
    in_place = {}
    for name, kind in REGISTERED.items():
        in_place |= source if name == "weight" else {name: kind}

    comparison = compare(modules, in_place if source else at_the_end)

    assert sorted(one.kind for one in comparison.differences) == ["added", "dropped"]


@pytest.mark.parametrize(
    ("source", "allowed_by"),
    [
        ({**REGISTERED, "more": "text"}, {"additive", "permissive"}),
        ({**REGISTERED, "price": "numeric(12,2)"}, {"additive", "permissive"}),
        ({**REGISTERED, "price": "numeric(7,2)"}, {"permissive"}),
        ({name: REGISTERED[name] for name in ("id", "status")}, {"permissive"}),
        ({**REGISTERED, "price": "text"}, {"permissive"}),
        ({**REGISTERED, "id": "text"}, set()),
        ({**REGISTERED, "id": "integer"}, {"permissive"}),
        ({("mass" if name == "weight" else name): kind for name, kind in REGISTERED.items()}, set()),
    ],
)
def test_policies_allow_what_they_say(
    modules: SimpleNamespace, source: dict[str, str], allowed_by: set[str]
) -> None:
    policies = choices("schema_policy")
    allowing = {
        policy for policy in policies if compare(modules, source, schema_policy=policy).is_allowed(policy)
    }
    assert allowing == allowed_by


def test_a_permissive_table_keeps_the_type_of_a_column_that_got_another(modules: SimpleNamespace) -> None:
    source = {**REGISTERED, "quantity": "text", "price": "numeric(7,2)", "more": "text"}
    comparison = compare(modules, source, schema_policy="permissive")

    assert {one.column: one.kind for one in comparison.differences} == {
        "quantity": "kept",
        "price": "narrowed",
        "more": "added",
    }
    types = {column["name"]: (column["source_type"], column["type"]) for column in comparison.columns}
    assert types["quantity"] == ("integer", "int")
    assert types["price"] == ("numeric(7,2)", "decimal(7,2)")
    assert types["more"] == ("text", "string")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("key_columns", ["id", "quantity"]),
        ("watermark_column", "quantity"),
        ("split_column", "quantity"),
        ("change_operation_column", "quantity"),
        ("change_sequence_column", "quantity"),
    ],
)
def test_a_column_that_a_table_is_read_by_keeps_no_type_that_it_has_no_longer(
    modules: SimpleNamespace, setting: str, value: Any
) -> None:
    source = {**REGISTERED, "quantity": "text"}
    comparison = compare(modules, source, schema_policy="permissive", **{setting: value})

    assert [one.kind for one in comparison.differences] == ["retyped"]
    assert not comparison.is_allowed("permissive")


class Registry:
    """DynamoDB's tables, and a source that is what a test says."""

    def __init__(self, modules: SimpleNamespace, policy: str) -> None:
        self._modules = modules
        dynamodb = boto3.resource("dynamodb", region_name="eu-west-1")
        self.structures = self._table(dynamodb, "structures", ("table_id", "S"), ("version", "N"))
        self.settings = self._table(dynamodb, "settings", ("table_id", "S"))
        self.settings.put_item(Item={**SETTINGS, "schema_policy": policy})
        self.structures.put_item(Item=structure(modules))
        self.source = dict(REGISTERED)

    def _table(self, dynamodb: Any, name: str, *keys: tuple[str, str]) -> Any:
        return dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for (key, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )

    def _registry(self) -> Any:
        column = self._modules.comparison.SourceColumn
        return self._modules.handler.Registry(
            self.settings,
            self.structures,
            lambda _schema, _table: [column(name, kind, True) for name, kind in self.source.items()],
            PostgreSQL(),
        )

    def call(self, action: str, **more: Any) -> dict[str, Any]:
        function = getattr(self._modules.handler, action)
        answer: dict[str, Any] = function(self._registry(), "erp.orders", "run-1", **more)
        return answer

    def check_all(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        answer: dict[str, Any] = self._modules.handler.check_all(self._registry(), items, "run-1")
        return answer

    @property
    def latest(self) -> dict[str, Any]:
        items = self.structures.scan()["Items"]
        return dict(max(items, key=lambda item: item["version"]))


@pytest.fixture
def registry(
    modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Registry]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Registry(modules, getattr(request, "param", "additive"))


def test_what_the_policy_takes_is_registered_at_once(registry: Registry) -> None:
    registry.source["more"] = "text"

    answer = registry.call("check")

    assert (answer["change"], answer["version"], answer["needs_approval"]) == ("compatible", 4, False)
    assert answer["schema_changes"] == [{"S": "more text is new"}]
    assert (registry.latest["version"], registry.latest["changes"]) == (4, ["more text is new"])
    assert registry.latest["partitions"] == structure(registry._modules)["partitions"]
    assert registry.call("check")["change"] == "none"


def test_of_a_batch_what_can_be_ingested_is_ready_and_the_rest_is_told_by_itself(registry: Registry) -> None:
    items = [{"table": {"table_id": name}, "schema": {}} for name in ("erp.orders", "erp.unknown")]
    registry.source["more"] = "text"

    answer = registry.check_all(items)

    assert answer["ready"] == ["erp.orders"]
    assert [item["schema"] for item in answer["items"]] == [
        {"is_ready": True, "schema_changes": [{"S": "more text is new"}]},
        {"is_ready": False, "schema_changes": []},
    ]
    assert [item["table"] for item in answer["items"]] == [item["table"] for item in items]
    registry.source.pop("more")
    assert registry.check_all(items[:1])["ready"] == [], "who lost a column asks a person"


@pytest.mark.parametrize("registry", ["strict"], indirect=True)
def test_a_strict_table_asks_before_it_takes_a_new_column(registry: Registry) -> None:
    registry.source["more"] = "text"

    asked = registry.call("check")
    assert (asked["needs_approval"], asked["version"], registry.latest["version"]) == (True, 3, 3)

    assert registry.call("apply", proposal=asked["proposal"])["version"] == 4
    assert registry.call("apply", proposal=asked["proposal"])["version"] == 4


@pytest.mark.parametrize("registry", ["permissive"], indirect=True)
def test_a_kept_column_is_told_of_in_each_run_and_registers_nothing(registry: Registry) -> None:
    registry.source["quantity"] = "text"
    text = "quantity was integer and is text: it stays int, and rows that do not fit go to quarantine"

    for _ in range(2):
        answer = registry.call("check")
        assert (answer["change"], answer["version"], answer["needs_approval"]) == ("breaking", 3, False)
        assert answer["differences"] == [{"kind": "kept", "text": text}]
        assert answer["schema_changes"] == [{"S": text}]
    assert registry.latest["version"] == 3


@pytest.mark.parametrize("registry", ["permissive"], indirect=True)
def test_what_else_changed_is_registered_beside_a_kept_column(registry: Registry) -> None:
    registry.source |= {"quantity": "text", "more": "text"}

    assert registry.call("check")["version"] == 4
    types = {column["name"]: column["type"] for column in registry.latest["columns"]}
    assert (types["quantity"], types["more"]) == ("int", "string")
    assert [one["kind"] for one in registry.call("check")["differences"]] == ["kept"]
    assert registry.latest["version"] == 4


@pytest.mark.parametrize("registry", ["permissive"], indirect=True)
def test_an_approval_of_another_change_leaves_a_kept_column_as_it_is(registry: Registry) -> None:
    registry.source = {
        ("mass" if name == "weight" else name): ("text" if name == "quantity" else kind)
        for name, kind in REGISTERED.items()
    }

    asked = registry.call("check")
    assert (asked["needs_approval"], registry.latest["version"]) == (True, 3)

    for _ in range(2):
        assert registry.call("apply", proposal=asked["proposal"])["version"] == 4
    types = {column["name"]: column["type"] for column in registry.latest["columns"]}
    assert (types["quantity"], types["mass"]) == ("int", "float")


@pytest.mark.parametrize("registry", ["lenient"], indirect=True)
def test_a_policy_that_there_is_not_is_refused(registry: Registry, modules: SimpleNamespace) -> None:
    with pytest.raises(modules.handler.NotRegisteredError, match="schema_policy is not one of strict, add"):
        registry.call("check")


def test_an_approval_is_of_what_was_asked_and_of_nothing_else(
    registry: Registry, modules: SimpleNamespace
) -> None:
    registry.source["price"] = "text"
    asked = registry.call("check")
    registry.source["weight"] = "text"

    with pytest.raises(modules.handler.SourceChangedAgainError, match="weight was real and is text"):
        registry.call("apply", proposal=asked["proposal"])

    assert registry.latest["version"] == 3


def test_settings_that_name_a_lost_column_stop_the_table(
    registry: Registry, modules: SimpleNamespace
) -> None:
    del registry.source["id"], registry.source["status"]

    with pytest.raises(modules.handler.SettingsDoNotFitError) as raised:
        registry.call("check")

    assert "key_columns: id; the partitions of table_structures: status" in str(raised.value)


def test_a_version_that_another_run_registered_meanwhile_is_not_overwritten(
    registry: Registry, modules: SimpleNamespace
) -> None:
    registry.source["more"] = "text"
    other = {**structure(modules), "version": 4, "registered_by": "other"}
    _, found, comparison = modules.handler._look(
        modules.handler.Registry(
            registry.settings,
            registry.structures,
            lambda _schema, _table: [
                modules.comparison.SourceColumn(name, kind, True) for name, kind in registry.source.items()
            ],
            PostgreSQL(),
        ),
        "erp.orders",
    )
    registry.structures.put_item(Item=other)

    with pytest.raises(modules.handler.RegisteredMeanwhileError):
        modules.handler._register(
            SimpleNamespace(table_structures=registry.structures), found, comparison, "r"
        )

    assert registry.latest["registered_by"] == "other"
