"""How Glue cuts its lists."""

from __future__ import annotations

from millpond.planes.common.paging import Pages
from millpond.planes.glue.exceptions import InvalidInputException

_PAGES = Pages(lambda _token: InvalidInputException("Invalid NextToken"))
page = _PAGES.page
offset = _PAGES.offset
