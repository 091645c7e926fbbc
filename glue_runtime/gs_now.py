"""The transform ``gs_now`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_now = attach("gs_now")
