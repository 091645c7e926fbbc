"""Usage profiles: limits on the jobs and sessions of who has one; kept, and nothing is limited by them.

Source: "Usage profile" in the Glue API Reference.
"""

from __future__ import annotations

import threading

from millpond.planes.glue.exceptions import AlreadyExistsException
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, chosen, found, now, required
from millpond.planes.glue.tags import Tags

KIND = "usageProfile"
_LISTED = ("Name", "Description", "CreatedOn", "LastModifiedOn")


class UsageProfiles:
    """Operations of usage profiles.

    Parameters
    ----------
    tags : Tags
        Takes those of each.
    """

    OPERATIONS = (
        "CreateUsageProfile",
        "DeleteUsageProfile",
        "GetUsageProfile",
        "ListUsageProfiles",
        "UpdateUsageProfile",
    )
    KEPT = ("state",)

    def __init__(self, tags: Tags) -> None:
        self._tags = tags
        self._lock = threading.Lock()
        self.state: dict[str, Shape] = {}

    def create_usage_profile(self, request: Request) -> Shape:
        name, configuration = required(request, "Name"), required(request, "Configuration")
        with self._lock:
            if name in self.state:
                raise AlreadyExistsException(f"Usage profile {name} already exists.")
            made = now()
            self.state[name] = {
                **chosen(request, "Name", "Description"),
                "Configuration": configuration,
                "CreatedOn": made,
                "LastModifiedOn": made,
            }
            self._tags.create(KIND, name, request.get("Tags"))
        return {"Name": name}

    def get_usage_profile(self, request: Request) -> Shape:
        with self._lock:
            return dict(self._profile(request))

    def update_usage_profile(self, request: Request) -> Shape:
        configuration = required(request, "Configuration")
        with self._lock:
            old = self._profile(request)
            given = chosen(request, "Description")
            self.state[old["Name"]] = {
                **old,
                **given,
                "Configuration": configuration,
                "LastModifiedOn": now(),
            }
        return {"Name": old["Name"]}

    def delete_usage_profile(self, request: Request) -> Shape:
        # The model has no error for a profile that is not there.
        name = required(request, "Name")
        with self._lock:
            self.state.pop(name, None)
            self._tags.forget(KIND, name)
        return {}

    def list_usage_profiles(self, request: Request) -> Shape:
        with self._lock:
            profiles = [chosen(one, *_LISTED) for _, one in sorted(self.state.items())]
        some, token = page(profiles, request)
        return {"Profiles": some, **token}

    def _profile(self, request: Request) -> Shape:
        name = required(request, "Name")
        return found(self.state, name, f"Usage profile {name} not found.")
