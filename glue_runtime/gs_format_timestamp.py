"""The transform ``gs_format_timestamp`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_format_timestamp = attach("gs_format_timestamp")
