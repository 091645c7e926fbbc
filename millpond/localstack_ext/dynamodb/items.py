"""DynamoDB items that keep the type of each value, whichever way they are updated."""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item

from millpond.localstack_ext.engine import patches


def install_typed_updates() -> None:
    """Put a value with its own type.

    ``UpdateItem`` with ``AttributeUpdates``, as the AWS provider of Terraform sends it for a changed item,
    puts any value; moto makes text of a boolean and of binary data, and drops NULL.
    """

    def update_with_types(theirs: Any, item: Item, attribute_updates: dict[str, Any]) -> None:
        for name, change in attribute_updates.items():
            if change.get("Action", "PUT") == "PUT":
                item.attrs[name] = DynamoType(change["Value"])
            else:
                theirs(item, {name: change})

    patches.wrap(Item, "update_with_attribute_updates", update_with_types)
