"""What ``ModifyManagedPrefixList`` makes of a list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from localstack.aws.api import CommonServiceException

from millpond.localstack_ext.ec2.network import modify_prefix_list

ONE, TWO = {"Cidr": "10.1.0.0/16", "Description": "one"}, {"Cidr": "10.2.0.0/16"}


def made() -> Any:
    return SimpleNamespace(version=1, entries={1: [ONE]}, max_entries=2, prefix_list_name="lake", state="")


@pytest.mark.parametrize(
    ("wanted", "name", "most", "version", "entries"),
    [
        ({"PrefixListName": "other"}, "other", 2, 1, [ONE]),
        ({"MaxEntries": 7}, "lake", 7, 1, [ONE]),
        ({"CurrentVersion": 1, "AddEntries": [TWO]}, "lake", 2, 2, [ONE, TWO]),
        ({"CurrentVersion": 1, "RemoveEntries": [{"Cidr": ONE["Cidr"]}]}, "lake", 2, 2, []),
        (
            {"CurrentVersion": 1, "AddEntries": [TWO], "RemoveEntries": [{"Cidr": ONE["Cidr"]}]},
            "lake",
            2,
            2,
            [TWO],
        ),
    ],
)
def test_a_list_is_changed_in_what_is_given(
    wanted: dict[str, Any], name: str, most: int, version: int, entries: list[Any]
) -> None:
    prefix_list = made()
    modify_prefix_list(prefix_list, wanted)
    assert (prefix_list.prefix_list_name, prefix_list.max_entries, prefix_list.version) == (
        name,
        most,
        version,
    )
    assert prefix_list.entries[version] == entries
    assert prefix_list.entries[1] == [ONE]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"AddEntries": [TWO]}, "MissingParameter"),
        ({"CurrentVersion": 2, "AddEntries": [TWO]}, "PrefixListVersionMismatch"),
        ({"CurrentVersion": 1, "AddEntries": [ONE], "RemoveEntries": [ONE]}, "InvalidParameterValue"),
        ({"CurrentVersion": 1, "RemoveEntries": [TWO]}, "InvalidRequest"),
        ({"CurrentVersion": 1, "AddEntries": [TWO], "MaxEntries": 3}, "InvalidParameterCombination"),
        (
            {"CurrentVersion": 1, "AddEntries": [TWO, {"Cidr": "10.3.0.0/16"}]},
            "PrefixListMaxEntriesExceeded",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused_and_leaves_the_list(wanted: dict[str, Any], code: str) -> None:
    prefix_list = made()
    with pytest.raises(CommonServiceException) as refused:
        modify_prefix_list(prefix_list, wanted)
    assert refused.value.code == code
    assert vars(prefix_list) == vars(made())
