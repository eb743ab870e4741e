"""What Athena does in S3 and Glue with the rights of whoever asks it: each access of one statement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """One access: an *action* as IAM names it, and the *target*: `s3://bucket/key`, or `database/table` of Glue's.

    A listing's target ends in the prefix that it is limited to, and a database stands alone.
    """

    action: str
    target: str


Accesses = list[Access]
"""In their order; threads that read objects side by side may add to it."""
