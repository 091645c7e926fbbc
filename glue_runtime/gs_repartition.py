"""The transform ``gs_repartition`` of Glue Studio; see :mod:`awsglue._studio`."""

from awsglue._studio import attach

gs_repartition = attach("gs_repartition")
