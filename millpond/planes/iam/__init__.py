"""What IAM's policies allow: documents in, a decision with its reason out. Pure functions; nobody is asked.

Sources: the IAM User Guide, "IAM JSON policy element reference", "IAM JSON policy elements: Condition
operators", "Multivalued context keys" and "Policy evaluation logic".
"""

from millpond.planes.iam.decision import Decision, Policies, Reason, Request, decide
from millpond.planes.iam.documents import MalformedPolicyError, Statement, read_policy

__all__ = [
    "Decision",
    "MalformedPolicyError",
    "Policies",
    "Reason",
    "Request",
    "Statement",
    "decide",
    "read_policy",
]
