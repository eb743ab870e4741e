"""The templates made by a moto server's CloudFormation, which learns here of the types that it does not know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from moto.athena.models import athena_backends
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.glue.models import glue_backends

from tests.infra.policies import Statement, statements
from tests.infra.templates import template_text

Make = Callable[[dict[str, Any], str, str], None]
"""Makes of a resource's properties what the embedded stack has of its kind, in an account and a Region."""

_declared: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
"""Of each stack's ID and logical ID: type and resolved properties, of the types that moto does not know."""


def teach_cloudformation() -> None:
    """Make every moto server of this process accept the templates' types; more than once does no harm.

    moto passes over a type that it does not know with a warning: it is somebody else's test double, to which the
    types are added as its own are, by a class each. A plain `CloudFormationModel` is all that it looks for.
    """
    known = {model.cloudformation_type() for model in CloudFormationModel.__subclasses__()}
    for kind, make in _MADE.items():
        if kind not in known:
            _taught.append(_model(kind, make))
    for registered in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        registered.cache_clear()


def _model(kind: str, make: Make) -> type[CloudFormationModel]:
    class Resource(CloudFormationModel):
        def __init__(self, name: str) -> None:
            self.physical_resource_id = name

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:  # noqa: ARG003
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **of: str
        ) -> "Resource":
            properties = cloudformation_json["Properties"]
            _declared[of["StackId"], of["LogicalId"]] = (kind, properties)
            make(properties, account_id, region_name)
            return cls(resource_name)

        def get_cfn_attribute(self, attribute_name: str) -> str:
            if attribute_name.endswith("Arn"):
                return f"arn:aws:{kind.split('::')[1].lower()}:us-east-1:123456789012:{self.physical_resource_id}"
            return f"{attribute_name}-of-{self.physical_resource_id}"

    return Resource


def _nothing(properties: dict[str, Any], account: str, region: str) -> None:
    """What moto has nothing of."""


def _database(properties: dict[str, Any], account: str, region: str) -> None:
    described = properties["DatabaseInput"]
    glue_backends[account][region].create_database(described["Name"], described)


def _workgroup(properties: dict[str, Any], account: str, region: str) -> None:
    athena_backends[account][region].create_work_group(
        properties["Name"], properties["WorkGroupConfiguration"], properties["Description"], []
    )


_MADE: Mapping[str, Make] = {
    "AWS::APS::Workspace": _nothing,
    "AWS::Athena::WorkGroup": _workgroup,
    "AWS::BCMDataExports::Export": _nothing,
    "AWS::CloudWatch::Alarm": _nothing,
    "AWS::EKS::PodIdentityAssociation": _nothing,
    "AWS::Glue::Database": _database,
    "AWS::S3::BucketPolicy": _nothing,  # moto would take its refusal of what is not TLS for a refusal of everything
}
_taught: list[type[CloudFormationModel]] = []  # a class that nothing refers to is no subclass any more


@dataclass(frozen=True)
class Stack:
    """A stack that stands in the account of *session*."""

    session: boto3.Session
    name: str

    @classmethod
    def create(cls, session: boto3.Session, template: str, name: str, **parameters: str) -> "Stack":
        session.client("cloudformation").create_stack(
            StackName=name,
            TemplateBody=template_text(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        return cls(session, name)

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        [found] = self.session.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return dict(found)

    @property
    def status(self) -> str:
        return str(self._described["StackStatus"])

    @property
    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self._described["Outputs"]}

    @property
    def resources(self) -> dict[str, str]:
        """The type of each resource that stands, by its logical ID."""
        pages = self.session.client("cloudformation").get_paginator("list_stack_resources")
        found = [one for page in pages.paginate(StackName=self.name) for one in page["StackResourceSummaries"]]
        return {one["LogicalResourceId"]: one["ResourceType"] for one in found if one["ResourceType"]}

    def declared(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resolved properties of the resources of a type that moto keeps nothing of, by their logical IDs."""
        return {
            logical_id: properties
            for (stack, logical_id), (of, properties) in _declared.items()
            if (stack, of) == (self._described["StackId"], kind)
        }

    def role(self, output: str) -> "GrantedRole":
        return GrantedRole(self.session, self.outputs[output].rpartition("/")[2])


@dataclass(frozen=True)
class GrantedRole:
    """A role as IAM has it."""

    session: boto3.Session
    name: str

    @property
    def trust(self) -> dict[str, Any]:
        """The one statement of its trust policy."""
        role = self.session.client("iam").get_role(RoleName=self.name)["Role"]
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        return dict(statement)

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """Its policies by their names."""
        iam = self.session.client("iam")
        names = iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"] for name in names}

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(statement for document in self.documents.values() for statement in statements(document))
