"""How FOCUS's own validator is run, in an environment of its own: its needs are not those of the product."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ConfigurationError, ContractError

VERSION = "1.2"

# What the charges can be held to. The others of the validator's 18 criteria: names of accounts (ACCOUNT_NAMING,
# SUB_ACCOUNT) and SKUs (UNIT_PRICING) are not in the ledger; the rules of COMMITMENT_DISCOUNT and CAPACITY_RESERVATION
# are wrong in the validator: they know other values of CommitmentDiscountStatus than FOCUS does, and demand a status
# where the id is NULL.
CRITERIA = (
    "AVAILABILITY_ZONE_SUPPORTED",
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
    "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED",
    "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
    "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED",
    "NEGOTIATED_PRICING_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "REGION_SUPPORTED",
    "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED",
    "TAGGING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
    "VIRTUAL_CURRENCY_SUPPORTED",
)


def validate(environment: Path, data: Path) -> str:
    """Validate the Parquet file *data* with the validator in the virtual *environment*; returns its console report.

    Raises:
        ConfigurationError: the environment has no validator.
        ContractError: the validator broke down. Rules that fail are in the report alone: its exit code is 0 then.
    """
    package = next(environment.glob("lib/python*/site-packages/focus_validator"), None)
    if package is None:
        raise ConfigurationError(f"There is no FOCUS validator in {environment}; make it with `make focus`.")
    command = [str(environment.resolve() / "bin" / "focus-validator"), "--data-file", str(data.resolve())]
    command += ["--validate-version", VERSION, "--block-download", "--applicability-criteria", ",".join(CRITERIA)]
    with TemporaryDirectory() as directory:
        # It looks for its list of currencies below the working directory, and leaves a log there.
        (Path(directory) / "focus_validator").symlink_to(package.resolve())
        utf8 = {**os.environ, "PYTHONUTF8": "1"}
        run = subprocess.run(  # noqa: S603  the validator itself
            command, cwd=directory, env=utf8, capture_output=True, encoding="utf-8", check=False
        )
    if run.returncode:
        raise ContractError(f"The FOCUS validator broke down with exit code {run.returncode}:\n{run.stderr.strip()}")
    return run.stdout
