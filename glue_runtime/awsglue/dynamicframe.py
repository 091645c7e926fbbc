"""Dynamic frames can be imported, and say so when they are used."""

from __future__ import annotations

from awsglue._unavailable import RefusingMeta


class DynamicFrame(metaclass=RefusingMeta):
    """Glue's own data frame; not available in Millpond."""


class DynamicFrameCollection(metaclass=RefusingMeta):
    """Several dynamic frames by name; not available in Millpond."""


class DynamicFrameReader(metaclass=RefusingMeta):
    """Makes dynamic frames from sources; not available in Millpond."""


class DynamicFrameWriter(metaclass=RefusingMeta):
    """Writes dynamic frames to sinks; not available in Millpond."""
