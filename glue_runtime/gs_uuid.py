"""The transform ``gs_uuid`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_uuid = attach("gs_uuid")
