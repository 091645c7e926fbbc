"""DynamoDB items that keep the type of each value, whichever way they are updated."""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item


def install_typed_updates() -> None:
    """Put a value with its own type.

    ``UpdateItem`` with ``AttributeUpdates``, as the AWS provider of Terraform sends it for a changed item,
    puts any value; moto makes text of a boolean and of binary data, and drops NULL.
    """
    update = Item.update_with_attribute_updates

    def update_with_types(item: Item, attribute_updates: dict[str, Any]) -> None:
        for name, change in attribute_updates.items():
            if change.get("Action", "PUT") == "PUT":
                item.attrs[name] = DynamoType(change["Value"])
            else:
                update(item, {name: change})

    Item.update_with_attribute_updates = update_with_types  # type: ignore[assignment, method-assign]
