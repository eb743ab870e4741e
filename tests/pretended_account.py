"""A pretended AWS account with an EKS cluster, which answers what the AWS CLI is asked."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]

Words = Sequence[str]
World = dict[str, Any]

ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"

# An account with one cluster and nothing of ours.
EMPTY: dict[str, Any] = {
    "identity": {"Account": "111122223333", "Arn": "arn:aws:sts::111122223333:assumed-role/engineer/me"},
    "region": "eu-west-1",
    "regions": ["eu-west-1", "us-east-1"],
    "clusters": {
        "analytics-prod": {
            "status": "ACTIVE",
            "version": "1.33",
            "identity": {"oidc": {"issuer": f"https://{ISSUER}"}},
        }
    },
    "stacks": {},
    "addons": [],
    "providers": [f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"],
    "denied": [],
    "tables": {},
    "databases": [],
    "objects": {},
    "bucket_regions": {"chargeback-cost-report-billbucket-3c": "us-east-1"},
    "locked": [],
    "images": [],
    "namespaces": {},
    "services": [],
    "csidrivers": ["csidriver.storage.k8s.io/ebs.csi.aws.com"],
    "releases": {},
    "helm": "v3.19.0+g3d8990f",
    "daemon": True,
    "ends": {},
    "running": {},
    "fails": [],
}

OUTPUTS = {
    "lake.yaml": {
        "LakeBucket": "chargeback-lake-lakebucket-1a",
        "Lake": "s3://chargeback-lake-lakebucket-1a/chargeback",
        "ResultsBucket": "chargeback-lake-resultsbucket-2b",
        "DatabaseName": "chargeback",
        "WorkgroupName": "chargeback",
        "RepositoryUri": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/emr-eks-chargeback",
    },
    "cluster.yaml": {
        f"{run}RoleArn": f"arn:aws:iam::111122223333:role/{run}" for run in ("Collect", "Verify", "Publish")
    },
    "cost-report.yaml": {
        "BillBucket": "chargeback-cost-report-billbucket-3c",
        "BillLocation": "s3://chargeback-cost-report-billbucket-3c/cost/chargeback",
    },
    "kubecost.yaml": {
        "WorkspaceId": "ws-1",
        "RemoteWriteUrl": "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
        "QueryUrl": "http://localhost:8005/workspaces/ws-1",
        "KubecostRoleArn": "arn:aws:iam::111122223333:role/Kubecost",
    },
}


class RefusedError(Exception):
    """What the tool says on stderr before it exits with 1."""


def option(words: Words, name: str, default: str = "") -> str:
    """The word after *name*."""
    return words[words.index(name) + 1] if name in words else default


def _stack_key(words: Words) -> str:
    return f"{option(words, '--region')}/{option(words, '--stack-name')}"


def _described(name: str, stack: World) -> World:
    return {
        "StackName": name.partition("/")[2],
        "StackStatus": stack["status"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack["parameters"].items()],
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in stack["outputs"].items()],
    }


def describe_stacks(world: World, words: Words) -> Any:
    """One stack, or all of the region."""
    here = {name: stack for name, stack in world["stacks"].items() if name.startswith(option(words, "--region") + "/")}
    if "--stack-name" not in words:
        return {"Stacks": [_described(name, stack) for name, stack in here.items()]}
    key = _stack_key(words)
    if key not in here:
        raise RefusedError(f"ValidationError: Stack with id {option(words, '--stack-name')} does not exist")
    return {"Stacks": [_described(key, here[key])]}


def deploy_stack(world: World, words: Words) -> None:
    """A stack is created or changed; in ROLLBACK_COMPLETE it cannot be."""
    key = _stack_key(words)
    if world["stacks"].get(key, {}).get("status") == "ROLLBACK_COMPLETE":
        raise RefusedError("ValidationError: Stack is in ROLLBACK_COMPLETE state and can not be updated.")
    overrides = words[words.index("--parameter-overrides") + 1 :]
    template = Path(option(words, "--template-file")).name
    world["stacks"][key] = {
        "status": "CREATE_COMPLETE",
        "parameters": dict(word.split("=", 1) for word in overrides),
        "outputs": OUTPUTS[template],
    }


def delete_stack(world: World, words: Words) -> None:
    """A stack goes; its buckets stay."""
    world["stacks"].pop(_stack_key(words), None)


def describe_cluster(world: World, words: Words) -> Any:
    """What EKS says of a cluster."""
    if option(words, "--name") not in world["clusters"]:
        raise RefusedError("ResourceNotFoundException: No cluster found for name")
    return {"cluster": world["clusters"][option(words, "--name")]}


def update_kubeconfig(world: World, words: Words) -> None:
    """A file for kubectl."""
    Path(option(words, "--kubeconfig")).write_text(f"of {option(words, '--name')}", encoding="utf-8")


def describe_addon(world: World, words: Words) -> Any:
    """An add-on of the cluster."""
    if option(words, "--addon-name") not in world["addons"]:
        raise RefusedError("ResourceNotFoundException: No addon")
    return {"addon": {"status": "ACTIVE"}}


def create_addon(world: World, words: Words) -> None:
    """One more add-on."""
    world["addons"].append(option(words, "--addon-name"))


def get_provider(world: World, words: Words) -> Any:
    """The OIDC provider of the cluster."""
    if option(words, "--open-id-connect-provider-arn") not in world["providers"]:
        raise RefusedError("NoSuchEntity: OpenIDConnect Provider not found")
    return {"Url": option(words, "--open-id-connect-provider-arn").partition("/")[2]}


def create_provider(world: World, words: Words) -> None:
    """One more OIDC provider."""
    issuer = option(words, "--url").removeprefix("https://")
    world["providers"].append(f"arn:aws:iam::111122223333:oidc-provider/{issuer}")


def associate_provider(world: World, words: Words) -> None:
    """What eksctl does: the same for the cluster's issuer."""
    issuer = world["clusters"][option(words, "--cluster")]["identity"]["oidc"]["issuer"]
    create_provider(world, ["--url", issuer])


def simulate(world: World, words: Words) -> Any:
    """What the caller may do."""
    actions = words[words.index("--action-names") + 1 : words.index("--query")]
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalDecision": "implicitDeny" if action in world["denied"] else "allowed"}
            for action in actions
        ]
    }


def get_table(world: World, words: Words) -> Any:
    """A table of Glue."""
    name = f"{option(words, '--database-name')}.{option(words, '--name')}"
    if name not in world["tables"]:
        raise RefusedError(f"EntityNotFoundException: Entity Not Found: {name}")
    return {"Table": {"StorageDescriptor": {"Location": world["tables"][name]}}}


def get_database(world: World, words: Words) -> Any:
    """A database of Glue."""
    if option(words, "--name") not in world["databases"]:
        raise RefusedError("EntityNotFoundException: Database not found")
    return {"Database": {"Name": option(words, "--name")}}


def delete_database(world: World, words: Words) -> None:
    """A database goes."""
    world["databases"].remove(option(words, "--name"))


def _of_prefix(world: World, words: Words) -> list[list[str]]:
    return [
        found for found in world["objects"][option(words, "--bucket")] if found[0].startswith(option(words, "--prefix"))
    ]


def list_objects(world: World, words: Words) -> Any:
    """The first keys."""
    if option(words, "--bucket") not in world["objects"]:
        return {"KeyCount": 0}
    keys = [{"Key": key} for key, _, kind in _of_prefix(world, words) if kind == "version"]
    return {"KeyCount": len(keys), "Contents": keys[:1]} if keys else {"KeyCount": 0}


def list_versions(world: World, words: Words) -> Any:
    """A page of versions and markers, two long, in the order of keys."""
    found = sorted(_of_prefix(world, words))
    after = (option(words, "--key-marker"), option(words, "--version-id-marker"))
    left = [item for item in found if (item[0], item[1]) > after]
    page = left[:2]
    answer: World = {"IsTruncated": len(left) > len(page)}
    for name, kind in (("Versions", "version"), ("DeleteMarkers", "marker")):
        some = [{"Key": key, "VersionId": version, "Size": 1} for key, version, what in page if what == kind]
        if some:
            answer[name] = some
    if answer["IsTruncated"]:
        answer |= {"NextKeyMarker": page[-1][0], "NextVersionIdMarker": page[-1][1]}
    return answer


def delete_objects(world: World, words: Words) -> Any:
    """Versions go, but those that are locked."""
    request = json.loads(Path(option(words, "--delete").removeprefix("file://")).read_text(encoding="utf-8"))
    asked = [(item["Key"], item["VersionId"]) for item in request["Objects"]]
    locked = [key for key, _ in asked if key in world["locked"]]
    bucket = option(words, "--bucket")
    world["objects"][bucket] = [
        item for item in world["objects"][bucket] if (item[0], item[1]) not in asked or item[0] in locked
    ]
    return {"Errors": [{"Key": key, "Code": "AccessDenied"} for key in locked]} if locked else {}


def delete_bucket(world: World, words: Words) -> None:
    """An empty bucket goes."""
    if world["objects"][option(words, "--bucket")]:
        raise RefusedError("BucketNotEmpty: The bucket you tried to delete is not empty")
    del world["objects"][option(words, "--bucket")]


def describe_images(world: World, words: Words) -> Any:
    """An image in the registry."""
    tag = option(words, "--image-ids").removeprefix("imageTag=")
    if tag not in world["images"]:
        raise RefusedError("ImageNotFoundException: The image does not exist")
    return {"imageDetails": [{"imageDigest": "sha256:1"}]}


def bucket_location(world: World, words: Words) -> Any:
    """Where a bucket is; us-east-1 has no name there."""
    where = world["bucket_regions"].get(option(words, "--bucket"), "eu-west-1")
    return {"LocationConstraint": None if where == "us-east-1" else where}


def nothing(world: World, words: Words) -> None:
    """A command of which only the record matters."""


Answer = Callable[[World, Words], Any]

AWS: dict[tuple[str, str], Answer] = {
    ("sts", "get-caller-identity"): lambda world, _words: world["identity"],
    ("configure", "get"): lambda world, _words: world["region"],
    ("eks", "describe-cluster"): describe_cluster,
    ("eks", "update-kubeconfig"): update_kubeconfig,
    ("eks", "describe-addon"): describe_addon,
    ("eks", "create-addon"): create_addon,
    ("eks", "wait"): nothing,
    ("cloudformation", "describe-stacks"): describe_stacks,
    ("cloudformation", "deploy"): deploy_stack,
    ("cloudformation", "delete-stack"): delete_stack,
    ("cloudformation", "wait"): nothing,
    ("cloudformation", "describe-stack-events"): lambda _world, _words: {
        "StackEvents": [
            {"ResourceStatus": "CREATE_FAILED", "LogicalResourceId": "Workgroup", "ResourceStatusReason": "quota"}
        ]
    },
    ("iam", "get-open-id-connect-provider"): get_provider,
    ("iam", "create-open-id-connect-provider"): create_provider,
    ("iam", "get-role"): lambda _world, _words: {"Role": {"Arn": "arn:aws:iam::111122223333:role/path/engineer"}},
    ("iam", "simulate-principal-policy"): simulate,
    ("glue", "get-table"): get_table,
    ("glue", "get-database"): get_database,
    ("glue", "delete-database"): delete_database,
    ("s3api", "list-objects-v2"): list_objects,
    ("s3api", "list-object-versions"): list_versions,
    ("s3api", "delete-objects"): delete_objects,
    ("s3api", "delete-bucket"): delete_bucket,
    ("s3api", "list-buckets"): lambda world, _words: {"Buckets": [{"Name": name} for name in world["objects"]]},
    ("s3api", "get-bucket-location"): bucket_location,
    ("ecr", "describe-images"): describe_images,
    ("ecr", "get-login-password"): lambda _world, _words: "the-password",
    ("ec2", "describe-regions"): lambda world, _words: {"Regions": [{"RegionName": name} for name in world["regions"]]},
}


def aws(world: World, words: Words) -> str:
    """The AWS CLI: an answer, queried, as text or JSON."""
    answer = AWS[words[0], words[1]](world, words)
    if answer is None:
        return ""
    if isinstance(answer, str):
        return answer + "\n"
    found = jmespath.search(option(words, "--query", "@"), answer)
    return _text(found) if option(words, "--output") == "text" else json.dumps(found, indent=4) + "\n"


def _text(found: Any) -> str:
    rows = found if isinstance(found, list) and found and isinstance(found[0], list) else [found]
    if found == []:
        return "\n"
    return "".join("\t".join(str(cell) for cell in (row if isinstance(row, list) else [row])) + "\n" for row in rows)
