"""What the process that commands are forked from does once, and each of them would have to do again."""

import gc

import boto3

from tests import botocore_models

_PAGED = {
    "athena": "list_query_executions",
    "emr-containers": "list_job_runs",
    "glue": "get_tables",
    "s3": "list_objects_v2",
}

botocore_models.share()
_nobody = boto3.Session("AKIAIOSFODNN7EXAMPLE", "example", region_name="us-east-1")
for service, operation in _PAGED.items():
    _nobody.client(service).can_paginate(operation)  # type: ignore[call-overload]  # its stubs know services by literals
gc.freeze()  # a million objects that stay: no command has to look through them
