"""Whether a way through a VPC is open: what EC2 describes in, the first thing that blocks it out."""

from millpond.planes.network.ends import ENDPOINTS, database_of
from millpond.planes.network.read import read_around, read_network
from millpond.planes.network.ways import Network, Place, glue_refusal, to_address, to_service

__all__ = [
    "ENDPOINTS",
    "Network",
    "Place",
    "database_of",
    "glue_refusal",
    "read_around",
    "read_network",
    "to_address",
    "to_service",
]
