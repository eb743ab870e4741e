"""Whose the demo's credentials are: a role in the estate's account, as a pod has it."""

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, sts_backends

from pipeline.demo.estate.estate import Estate

_ROLE = "chargeback-collect"
_HOUR = 3600
_ANY_KEY = "AKIAEXAMPLE"  # which moto takes for each that does not look like one of AWS


def install(estate: Estate) -> None:
    """Make every moto server of this process say that the demo's key is a role's in *estate*'s account."""
    access_key = iam_backends[estate.account_id]["aws"].create_temp_access_key()
    access_key.access_key_id = _ANY_KEY
    role = AssumedRole(
        account_id=estate.account_id,
        region_name=estate.region,
        access_key=access_key,
        role_session_name="demo",
        role_arn=f"arn:aws:iam::{estate.account_id}:role/{_ROLE}",
        policy="",
        duration=_HOUR,
        external_id="",
    )
    sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles.append(role)  # the account that moto takes every key for
