"""The transform ``gs_to_timestamp`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_to_timestamp = attach("gs_to_timestamp")
