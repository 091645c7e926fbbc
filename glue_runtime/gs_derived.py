"""The transform ``gs_derived`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_derived = attach("gs_derived")
