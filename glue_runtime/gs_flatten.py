"""The transform ``gs_flatten`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_flatten = attach("gs_flatten")
