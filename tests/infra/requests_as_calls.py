"""What IAM looks at when a request arrives: its actions, their resources, and what of it conditions may name.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Any
from xml.etree import ElementTree

from botocore.parsers import RpcV2CBORParser

from pipeline.demo.athena.accesses import Access
from tests.infra.policies import Call

ACCOUNT = "111122223333"  # the demo's estate's
REGION = "us-east-1"
NOT_FOUND = 404

_S3_NAMES = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class Request:
    """A signed request, as much of it as says what is asked for; *status* is that of the answer."""

    service: str
    method: str
    path: str
    arguments: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def action(self) -> str:
        """What a JSON protocol names the action."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    @property
    def parameters(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body or b"{}")
        return read


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def of_s3(request: Request) -> Iterator[Call]:
    bucket, _, key = request.path.removeprefix("/").partition("/")
    bucket_arn, object_arn = f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"
    match request.method, key:
        case "HEAD", "":
            yield Call("s3:ListBucket", bucket_arn)
        case "GET", "" if "list-type" in request.arguments:
            prefix = request.arguments.get("prefix")
            yield Call("s3:ListBucket", bucket_arn, () if prefix is None else (("s3:prefix", prefix),))
        case "POST", "" if "delete" in request.arguments:
            for found in ElementTree.fromstring(request.body).iter(f"{_S3_NAMES}Key"):
                yield Call("s3:DeleteObject", f"{bucket_arn}/{found.text}")
        case (("GET" | "HEAD"), _) if key:
            yield Call("s3:GetObject", object_arn)
            if request.status == NOT_FOUND:  # who may not list is told "access denied" instead
                yield Call("s3:ListBucket", bucket_arn)
        case "PUT", _ if key and not request.arguments:
            yield Call("s3:PutObject", object_arn)
            if "if-match" in request.headers:  # which tells what was there
                yield Call("s3:GetObject", object_arn)
        case "DELETE", _ if key and not request.arguments:
            yield Call("s3:DeleteObject", object_arn)
        case _:
            yield Call(f"s3:{request.method}?{'&'.join(request.arguments)}", object_arn)  # which nothing allows


def of_glue(request: Request) -> Iterator[Call]:
    given = request.parameters
    match request.action:
        case "GetDatabase":
            target = given["Name"]
        case "CreateDatabase":
            target = given["DatabaseInput"]["Name"]
        case "GetTables":
            target = f"{given['DatabaseName']}/*"
        case "CreateTable" | "UpdateTable":
            target = f"{given['DatabaseName']}/{given['TableInput']['Name']}"
        case "GetTable" | "DeleteTable":
            target = f"{given['DatabaseName']}/{given['Name']}"
        case _:
            target = f"{given['DatabaseName']}/{given['TableName']}"
    yield from _in_glue(f"glue:{request.action}", target)


def of_athena(request: Request, workgroup: str | None) -> Iterator[Call]:
    """The call itself, in the *workgroup* of the execution that it names, if it names one."""
    given, action = request.parameters, f"athena:{request.action}"
    if request.action in {"ListWorkGroups", "ListDataCatalogs"}:
        yield Call(action, "*")
    elif "CatalogName" in given:
        yield Call(action, arn("athena", f"datacatalog/{given['CatalogName']}"))
        yield from _metadata(request.action, given)
    else:
        yield Call(action, arn("athena", f"workgroup/{workgroup or given['WorkGroup']}"))
    if request.action == "StartQueryExecution":
        # Source: https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
        yield from _in_glue("glue:GetDatabase", "default")


def of_emr_containers(request: Request) -> Iterator[Call]:
    parts = request.path.strip("/").split("/")
    match request.method, parts:
        case "GET", ["virtualclusters"]:
            yield Call("emr-containers:ListVirtualClusters", "*")
        case "GET", ["virtualclusters", _, "jobruns"]:
            yield Call("emr-containers:ListJobRuns", arn("emr-containers", f"/virtualclusters/{parts[1]}"))
        case "GET", ["virtualclusters", _, "endpoints"]:
            yield Call("emr-containers:ListManagedEndpoints", arn("emr-containers", f"/virtualclusters/{parts[1]}"))
        case "GET", ["virtualclusters", _, "jobruns", _]:
            yield Call("emr-containers:DescribeJobRun", arn("emr-containers", "/" + "/".join(parts)))
        case _:
            yield Call(f"emr-containers:{request.method}", request.path)  # which nothing allows


def of_cloudwatch(request: Request) -> Iterator[Call]:
    """Metrics that are put; the request is CBOR, JSON or a form, as botocore likes."""
    action = request.action or request.path.rpartition("/")[2]
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        given = RpcV2CBORParser().parse_data_item(BufferedReader(BytesIO(request.body)))
    else:
        given = request.parameters
    context = (("cloudwatch:namespace", given["Namespace"]),) if "Namespace" in given else ()
    yield Call(f"cloudwatch:{action}", "*", context)


def of_access(access: Access) -> Iterator[Call]:
    """What Athena needs of its caller for one access of a statement.

    It writes in parts, and first looks where the bucket is.
    Source: https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
    """
    if access.action.startswith("glue:"):
        yield from _in_glue(access.action, access.target)
        return
    bucket, _, key = access.target.removeprefix("s3://").partition("/")
    bucket_arn, object_arn = f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"
    yield Call("s3:GetBucketLocation", bucket_arn)
    match access.action:
        case "s3:ListBucket":
            yield Call("s3:ListBucket", bucket_arn, (("s3:prefix", key),))
        case "s3:GetObject":
            yield Call("s3:GetObject", object_arn)
        case "s3:PutObject":
            yield Call("s3:ListBucket", bucket_arn)
            yield Call("s3:ListBucketMultipartUploads", bucket_arn)
            for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
                yield Call(action, object_arn)
        case "s3:GetBucketLocation":
            pass
        case other:
            raise ValueError(f"Athena has no access {other}")


def _metadata(action: str, given: Mapping[str, Any]) -> Iterator[Call]:
    """Athena's own lists are Glue's, with the rights of whoever asks."""
    match action:
        case "GetTableMetadata":
            yield from _in_glue("glue:GetTable", f"{given['DatabaseName']}/{given['TableName']}")
        case "ListTableMetadata":
            yield from _in_glue("glue:GetTables", f"{given['DatabaseName']}/*")
        case "GetDatabase":
            yield from _in_glue("glue:GetDatabase", given["DatabaseName"])
        case "ListDatabases":
            yield Call("glue:GetDatabases", arn("glue", "catalog"))


def _in_glue(action: str, target: str) -> Iterator[Call]:
    """An action on a table needs the right on its database and on the catalog, too.

    Source: https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
    """
    database, _, table = target.lower().partition("/")
    yield Call(action, arn("glue", "catalog"))
    yield Call(action, arn("glue", f"database/{database}"))
    if table:
        yield Call(action, arn("glue", f"table/{database}/{table}"))


def credential(authorization: str) -> tuple[str, str] | None:
    """Access key and service of a signature; None if there is none."""
    match = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request", authorization)
    return None if match is None else (match[1], match[2])
