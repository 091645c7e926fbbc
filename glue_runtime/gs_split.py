"""The transform ``gs_split`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_split = attach("gs_split")
