"""Budgets: kept with their notifications, subscribers and tags; nobody is told when one is exceeded.

Source: the AWS Budgets API Reference. A budget is of an account, in no region; its ARN is
``arn:aws:budgets::ACCOUNT:budget/NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localstack.state.core import StateVisitor

from millpond.planes.common.errors import AwsError

# "TimePeriod" and "CostTypes" in the API Reference.
END = datetime(2087, 6, 15, tzinfo=UTC)
COST_TYPES = {
    "IncludeTax": True,
    "IncludeSubscription": True,
    "UseBlended": False,
    "IncludeRefund": True,
    "IncludeCredit": True,
    "IncludeUpfront": True,
    "IncludeRecurring": True,
    "IncludeOtherSubscription": True,
    "IncludeSupport": True,
    "IncludeDiscount": True,
    "UseAmortized": False,
}

Request = Mapping[str, Any]
Shape = dict[str, Any]


class NotFoundException(AwsError):  # noqa: N818 - as AWS names it
    """There is no such budget, notification or subscriber."""

    code = "NotFoundException"


class DuplicateRecordException(AwsError):  # noqa: N818 - as AWS names it
    """There is one already."""

    code = "DuplicateRecordException"


class Budgets:
    """The budgets of one account; each method is an operation.

    Parameters
    ----------
    account_id : str
        Whose.
    kept : dict
        Where they are: name → budget, notifications and tags.
    """

    def __init__(self, account_id: str, kept: dict[str, Shape]) -> None:
        self._account_id = account_id
        self._kept = kept

    def create_budget(self, request: Request) -> Shape:
        budget = request["Budget"]
        name = budget["BudgetName"]
        if name in self._kept:
            raise DuplicateRecordException(f"Error creating budget: {name} - the budget already exists.")
        self._kept[name] = {
            "budget": _whole(budget),
            "notifications": [
                {"notification": dict(entry["Notification"]), "subscribers": list(entry["Subscribers"])}
                for entry in request.get("NotificationsWithSubscribers") or []
            ],
            "tags": {tag["Key"]: tag["Value"] for tag in request.get("ResourceTags") or []},
        }
        return {}

    def describe_budget(self, request: Request) -> Shape:
        return {"Budget": self._of(request)["budget"]}

    def describe_budgets(self, request: Request) -> Shape:  # noqa: ARG002 - all fit on a page
        return {"Budgets": [entry["budget"] for entry in self._kept.values()]}

    def update_budget(self, request: Request) -> Shape:
        budget = request["NewBudget"]
        self._budget_entry(budget["BudgetName"])["budget"] = _whole(budget)
        return {}

    def delete_budget(self, request: Request) -> Shape:
        self._of(request)
        del self._kept[request["BudgetName"]]
        return {}

    # Notifications

    def create_notification(self, request: Request) -> Shape:
        notifications = self._of(request)["notifications"]
        if any(_is(entry, request["Notification"]) for entry in notifications):
            raise DuplicateRecordException("Notification already exists for budget.")
        notifications.append(
            {"notification": dict(request["Notification"]), "subscribers": list(request["Subscribers"])}
        )
        return {}

    def describe_notifications_for_budget(self, request: Request) -> Shape:
        shown = [
            {"NotificationState": "OK", **entry["notification"]}
            for entry in self._of(request)["notifications"]
        ]
        return {"Notifications": shown}

    def update_notification(self, request: Request) -> Shape:
        self._notification(request, "OldNotification")["notification"] = dict(request["NewNotification"])
        return {}

    def delete_notification(self, request: Request) -> Shape:
        self._of(request)["notifications"].remove(self._notification(request))
        return {}

    # Subscribers

    def create_subscriber(self, request: Request) -> Shape:
        subscribers = self._notification(request)["subscribers"]
        if request["Subscriber"] in subscribers:
            raise DuplicateRecordException("Subscriber already exists for notification.")
        subscribers.append(dict(request["Subscriber"]))
        return {}

    def describe_subscribers_for_notification(self, request: Request) -> Shape:
        return {"Subscribers": self._notification(request)["subscribers"]}

    def update_subscriber(self, request: Request) -> Shape:
        self.delete_subscriber({**request, "Subscriber": request["OldSubscriber"]})
        return self.create_subscriber({**request, "Subscriber": request["NewSubscriber"]})

    def delete_subscriber(self, request: Request) -> Shape:
        subscribers = self._notification(request)["subscribers"]
        if request["Subscriber"] not in subscribers:
            raise NotFoundException("There is no such subscriber.")
        subscribers.remove(request["Subscriber"])
        return {}

    # Tags

    def tag_resource(self, request: Request) -> Shape:
        self._tags(request).update({tag["Key"]: tag["Value"] for tag in request["ResourceTags"]})
        return {}

    def untag_resource(self, request: Request) -> Shape:
        for key in request["ResourceTagKeys"]:
            self._tags(request).pop(key, None)
        return {}

    def list_tags_for_resource(self, request: Request) -> Shape:
        return {"ResourceTags": [{"Key": key, "Value": value} for key, value in self._tags(request).items()]}

    def _of(self, request: Request) -> Shape:
        return self._budget_entry(request["BudgetName"])

    def _budget_entry(self, name: str) -> Shape:
        if name not in self._kept:
            raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
        return self._kept[name]

    def _notification(self, request: Request, member: str = "Notification") -> Shape:
        for entry in self._of(request)["notifications"]:
            if _is(entry, request[member]):
                notification: Shape = entry
                return notification
        raise NotFoundException("There is no such notification.")

    def _tags(self, request: Request) -> dict[str, str]:
        tags: dict[str, str] = self._budget_entry(request["ResourceARN"].rpartition("budget/")[2])["tags"]
        return tags


class AllBudgets:
    """The budgets of every account, as a provider of LocalStack's shows what it keeps."""

    service = "budgets"

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Shape]] = {}

    def of(self, account_id: str, _region: str) -> Budgets:
        """The budgets of an account."""
        return Budgets(account_id, self._kept.setdefault(account_id, {}))

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        container: Any = self._kept
        visitor.visit(container)


def _whole(budget: Request) -> Shape:
    """A budget with what AWS adds: nothing is spent here."""
    unit = (budget.get("BudgetLimit") or {}).get("Unit", "USD")
    period = {"Start": _beginning_of_month(), "End": END, **(budget.get("TimePeriod") or {})}
    return {
        **budget,
        "CostTypes": {**COST_TYPES, **(budget.get("CostTypes") or {})},
        "TimePeriod": period,
        "CalculatedSpend": {"ActualSpend": {"Amount": "0", "Unit": unit}},
    }


def _beginning_of_month() -> datetime:
    now = datetime.now(UTC)
    return datetime(now.year, now.month, 1, tzinfo=UTC)


def _is(kept: Shape, wanted: Request) -> bool:
    names = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    # A threshold is a percentage unless it says otherwise.
    defaults = {"ThresholdType": "PERCENTAGE"}
    return all(
        kept["notification"].get(name, defaults.get(name)) == wanted.get(name, defaults.get(name))
        for name in names
    )
