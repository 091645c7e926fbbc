"""Workgroups, tags, named queries and prepared statements without a server."""

from __future__ import annotations

import pytest

from millpond.planes.athena.data_catalogs import DataCatalogs
from millpond.planes.athena.exceptions import InvalidRequestException, ResourceNotFoundException
from millpond.planes.athena.saved import NamedQueries, PreparedStatements
from millpond.planes.athena.workgroups import WorkGroups

ARN = "arn:aws:athena:eu-west-1:000000000000:"


@pytest.fixture
def groups() -> WorkGroups:
    groups = WorkGroups(ARN, DataCatalogs("000000000000"))
    groups.create(
        {
            "Name": "g",
            "Description": "d",
            "Tags": [{"Key": "a", "Value": "1"}],
            "Configuration": {
                "ResultConfiguration": {"OutputLocation": "s3://b/r/"},
                "BytesScannedCutoffPerQuery": 10_000_000,
            },
        }
    )
    return groups


def test_primary_is_there_from_the_start_and_cannot_be_deleted() -> None:
    groups = WorkGroups(ARN, DataCatalogs("000000000000"))
    assert [g["Name"] for g in groups.list_all({})["WorkGroups"]] == ["primary"]
    with pytest.raises(InvalidRequestException, match="primary"):
        groups.delete("primary")


def test_workgroup_has_what_it_was_given_and_the_defaults(groups: WorkGroups) -> None:
    group = groups.get({"WorkGroup": "g"})["WorkGroup"]
    assert (group["State"], group["Description"]) == ("ENABLED", "d")
    configuration = group["Configuration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 10_000_000
    assert configuration["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"


def test_update_changes_and_removes(groups: WorkGroups) -> None:
    groups.update(
        {
            "WorkGroup": "g",
            "State": "DISABLED",
            "ConfigurationUpdates": {
                "RemoveBytesScannedCutoffPerQuery": True,
                "ResultConfigurationUpdates": {
                    "RemoveOutputLocation": True,
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
                },
            },
        }
    )
    group = groups.find("g")
    assert (group.state, group.scan_limit, group.output_location) == ("DISABLED", None, "")
    assert group.configuration["ResultConfiguration"] == {
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}
    }


@pytest.mark.parametrize(
    "configuration",
    [
        {"BytesScannedCutoffPerQuery": 1},
        {"EngineVersion": {"SelectedEngineVersion": "Athena engine version 1"}},
        {"ResultConfiguration": {"OutputLocation": "/tmp/results"}},
    ],
)
def test_wrong_configuration_is_refused(groups: WorkGroups, configuration: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestException):
        groups.create({"Name": "other", "Configuration": configuration})
    with pytest.raises(InvalidRequestException, match="is not found"):
        groups.find("other")


def test_tags_are_kept_by_arn_and_go_with_the_workgroup(groups: WorkGroups) -> None:
    arn = f"{ARN}workgroup/g"
    groups.tag({"ResourceARN": arn, "Tags": [{"Key": "b", "Value": "2"}]})
    groups.untag({"ResourceARN": arn, "TagKeys": ["a"]})
    assert groups.list_tags({"ResourceARN": arn})["Tags"] == [{"Key": "b", "Value": "2"}]
    groups.delete("g")
    with pytest.raises(ResourceNotFoundException):
        groups.list_tags({"ResourceARN": arn})


def test_named_query_is_kept_changed_and_deleted(groups: WorkGroups) -> None:
    named = NamedQueries(groups)
    request = {
        "Name": "n",
        "Database": "db",
        "QueryString": "SELECT 1",
        "WorkGroup": "g",
        "ClientRequestToken": "t" * 32,
    }
    query_id = named.create(request)["NamedQueryId"]
    assert named.create(request)["NamedQueryId"] == query_id
    assert named.list_all({"WorkGroup": "g"})["NamedQueryIds"] == [query_id]
    assert named.list_all({})["NamedQueryIds"] == []
    named.update({"NamedQueryId": query_id, "Name": "m", "QueryString": "SELECT 2"})
    assert named.get({"NamedQueryId": query_id})["NamedQuery"]["QueryString"] == "SELECT 2"
    named.delete({"NamedQueryId": query_id})
    with pytest.raises(InvalidRequestException, match=query_id):
        named.get({"NamedQueryId": query_id})


def test_prepared_statement_belongs_to_its_workgroup(groups: WorkGroups) -> None:
    prepared = PreparedStatements(groups)
    request = {"StatementName": "p", "WorkGroup": "g", "QueryStatement": "SELECT ?"}
    prepared.create(request)
    with pytest.raises(InvalidRequestException, match="already exists"):
        prepared.create(request)
    assert prepared.find("g", "p")["QueryStatement"] == "SELECT ?"
    with pytest.raises(ResourceNotFoundException):
        prepared.find("primary", "p")


def test_a_workgroup_with_managed_results_is_refused(groups: WorkGroups) -> None:
    managed = {"ManagedQueryResultsConfiguration": {"Enabled": True}}
    with pytest.raises(InvalidRequestException, match="Managed query results are not supported"):
        groups.create({"Name": "managed", "Configuration": managed})
    updates = {"ManagedQueryResultsConfigurationUpdates": {"Enabled": True}}
    with pytest.raises(InvalidRequestException, match="Managed query results are not supported"):
        groups.update({"WorkGroup": "g", "ConfigurationUpdates": updates})
