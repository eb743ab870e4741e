"""The demo, S3, and the command line, each in a process of its own, and clients of them."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from tests.conftest import CLUSTER_ARN
from tests.forked import Command

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EXPORT = re.compile(r"export (?P<name>\w+)=(?P<value>.*)\n")
NOW = "2026-11-21T12:00:00Z"
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

_S3_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel("ERROR")
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CHARGEBACK_"))}


def started(*arguments: str, environment: Mapping[str, str] | None = None) -> Command:
    """One command at work in a process of its own, with nothing of AWS or chargeback but what *environment* gives."""
    return Command(arguments, clean_environment() | dict(environment or {}))


def finished(process: Command, patience: float = 120) -> subprocess.CompletedProcess[str]:
    """What became of a command once it has ended; one that hangs for so many seconds is killed, and an error."""
    with process:
        try:
            stdout, stderr = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)


def chargeback(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, from its start to its end."""
    return finished(started(*arguments, environment=environment))


@contextmanager
def serving_s3() -> Iterator[str]:
    """Run a moto server, which no client's death disturbs; yields its address."""
    command = [sys.executable, "-c", _S3_SERVER]
    with subprocess.Popen(
        command, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


@dataclass(frozen=True)
class Installation:
    """One installation of the product: Kubecost, the AWS endpoint, and a bucket of its own behind it."""

    kubecost: str
    endpoint: str
    bucket: str

    @classmethod
    def create(cls, kubecost: str, endpoint: str, bucket: str) -> "Installation":
        created = cls(kubecost, endpoint, bucket)
        created.s3.create_bucket(Bucket=bucket)
        return created

    def behind(self, *, kubecost: str | None = None, endpoint: str | None = None) -> "Installation":
        """The same one, reached another way."""
        return replace(self, kubecost=kubecost or self.kubecost, endpoint=endpoint or self.endpoint)

    @cached_property
    def s3(self) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=AWS["AWS_DEFAULT_REGION"],
            aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
        )

    @property
    def environment(self) -> dict[str, str]:
        return AWS | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "CHARGEBACK_CLUSTER_ARN": CLUSTER_ARN,
            "CHARGEBACK_KUBECOST_URL": self.kubecost,
            "CHARGEBACK_LAKE": f"s3://{self.bucket}/chargeback",
        }

    def collecting(self, since: str, until: str, **environment: str) -> Command:
        """`chargeback collect` at work; *since* and *until* are day and hour of the captured month, such as 19T09."""
        span = ("--since", f"2026-11-{since}:00Z", "--until", f"2026-11-{until}:00Z")
        return started("collect", *span, "--now", NOW, environment=self.environment | environment)

    def collect(self, since: str, until: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return finished(self.collecting(since, until, **environment))

    def objects(self) -> dict[str, bytes]:
        """All that lies in the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        keys = [found["Key"] for found in listed]
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def put(self, objects: Mapping[str, bytes]) -> None:
        for key, body in objects.items():
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)


@contextmanager
def serving_demo(directory: Path) -> Iterator[dict[str, str]]:
    """Run `chargeback demo --serve` in *directory*; yields what it says to export."""
    log = directory.with_suffix(".log")
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "demo", "--serve", "--directory", str(directory)],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        environment: dict[str, str] = {}
        for line in process.stdout:
            if match := EXPORT.fullmatch(line):
                environment[match["name"]] = shlex.split(match["value"])[0]
            if "CHARGEBACK_CUR_TABLE" in environment:
                break
        else:
            raise AssertionError(f"the demo ended early: {log.read_text(encoding='utf-8')}")
        try:
            yield environment
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
