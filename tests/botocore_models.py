"""AWS's models, read once for all sessions of a process: every command has a session, which would read them anew."""

from functools import cache

import botocore.session
from botocore.loaders import create_loader


def share() -> None:
    """Have the sessions that this process makes from now on, and those forked from it, share one loader of models."""
    botocore.session.create_loader = cache(create_loader)
