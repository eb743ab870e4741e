"""How the scripts of infra/ are run in tests: in a checkout with blanks in its path, with stand-ins on the PATH."""

import copy
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.pretended_account import EMPTY
from tests.pretended_cluster import answer

CHECKOUT = Path(__file__).parents[1]

# A Kubecost and an image that are there, and no bill: nothing but the lake and the roles has to be made.
REUSES = ("--kubecost-url", "http://kc.costs:8080", "--without-bill", "--image", "registry:5000/chargeback:1")

# What the scripts use besides the tools that they name: all of it is in POSIX or on macOS, too.
PROGRAMS = "bash cat cp cut date dirname find grep ls mkdir mktemp rm sed sha256sum sort tail tr xargs"
TOOLS = ("aws", "kubectl", "helm", "docker", "eksctl", "sleep")

# What only looks; everything else changes something.
LOOKING = (
    "aws sts get-caller-identity",
    "aws configure get",
    "aws eks describe-",
    "aws eks update-kubeconfig",
    "aws cloudformation describe-",
    "aws iam get-",
    "aws iam simulate-",
    "aws glue get-",
    "aws s3api list-",
    "aws s3api get-",
    "aws ecr describe-",
    "aws ec2 describe-",
    "kubectl auth can-i",
    "kubectl get",
    "kubectl config view",
    "kubectl --namespace chargeback get",
    "helm version",
    "helm status",
    "docker info",
    "docker buildx inspect",
    "podman info",
    "podman manifest exists",
    "finch info",
)


@dataclass(frozen=True)
class Ran:
    """What a script came to."""

    code: int
    out: str
    err: str


# Speaks to the test's own process: starting a Python for each call would take most of a test's time.
STAND_IN = """#!{bash}
exec 3<>/dev/tcp/127.0.0.1/{port}
case " $* " in *" --password-stdin "*) said=$(cat) ;; *) said= ;; esac
printf '%s\\0' "$#" "{tool}" "$@" "$said" >&3
IFS= read -r code <&3
if [ "$code" = 0 ]; then cat <&3; else cat <&3 >&2; fi
exit "$code"
"""


class _Asked(socketserver.StreamRequestHandler):
    """One call of a tool: the number of its words, its name, the words and its standard input, each ended by a zero."""

    server: "_Answering"

    def handle(self) -> None:
        count = int(self._word())
        tool, *words, said = (self._word() for _ in range(count + 2))
        with self.server.lock:
            self.server.calls.append(([tool, *words], said))
            code, text = answer(self.server.world, tool, words)
        self.wfile.write(f"{code}\n{text}".encode())

    def _word(self) -> str:
        return b"".join(iter(lambda: self.rfile.read(1), b"\0")).decode()


class _Answering(socketserver.ThreadingTCPServer):
    """The pretended account, for the stand-ins on a PATH."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.lock = threading.Lock()
        self.world: dict[str, Any] = copy.deepcopy(EMPTY)
        self.calls: list[tuple[list[str], str]] = []


@dataclass
class Place:
    """A checkout, a pretended account, and what the scripts said to it."""

    checkout: Path
    home: Path
    tools: Path
    bash: str
    answering: _Answering

    @property
    def world(self) -> dict[str, Any]:
        return self.answering.world

    def change(self, **facts: Any) -> None:
        self.world.update(copy.deepcopy(facts))

    def fail(self, command: str, says: str = "no luck") -> None:
        self.change(fails=[{"command": command, "says": says, "times": 1}])

    def has_tools(self, names: Iterable[str]) -> None:
        for tool in self.tools.iterdir():
            if not tool.is_symlink():
                tool.unlink()
        port = self.answering.server_address[1]
        for name in names:
            tool = self.tools / name
            tool.write_text(STAND_IN.format(bash=self.bash, port=port, tool=name), encoding="utf-8")
            tool.chmod(0o755)

    def run(self, script: str, *words: str, answer: str = "") -> Ran:
        done = subprocess.run(
            [self.bash, str(self.checkout / "infra" / script), *words],
            cwd=self.home,
            env={"PATH": str(self.tools), "HOME": str(self.home)},
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def deploy(self, *words: str, answer: str = "") -> Ran:
        return self.run("deploy.sh", "--cluster", "analytics-prod", *words, answer=answer)

    def destroy(self, *words: str, answer: str = "") -> Ran:
        return self.run("destroy.sh", "--cluster", "analytics-prod", *words, answer=answer)

    @property
    def calls(self) -> list[list[str]]:
        return [words for words, _ in self.answering.calls]

    @property
    def said(self) -> list[tuple[str, str]]:
        """What went into a command's standard input."""
        return [(" ".join(words), said) for words, said in self.answering.calls if said]

    @property
    def changes(self) -> list[str]:
        lines = [" ".join(words) for words in self.calls]
        return [line for line in lines if not line.startswith(LOOKING)]

    @property
    def directory(self) -> Path:
        """What deploy.sh writes for the cluster."""
        return self.home / "chargeback-analytics-prod"

    def written(self, name: str) -> list[Any]:
        """The documents of a file that is written again by each run."""
        return list(yaml.safe_load_all((self.directory / "deployed" / f"{name}.yaml").read_text(encoding="utf-8")))

    @property
    def settings(self) -> dict[str, str]:
        [config_map] = self.written("settings")
        found: dict[str, str] = config_map["data"]
        return found

    def forget(self) -> None:
        self.answering.calls.clear()


@contextmanager
def placed(checkout: Path, directory: Path) -> Iterator[Place]:
    home, tools = directory / "a home", directory / "tools"
    home.mkdir()
    tools.mkdir()
    for name in PROGRAMS.split():
        program = shutil.which(name)
        assert program, name
        (tools / name).symlink_to(os.path.realpath(program))
    with _Answering() as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        bash = shutil.which("bash")
        assert bash
        found = Place(checkout, home, tools, bash, answering)
        found.has_tools(TOOLS)
        yield found
        answering.shutdown()
        thread.join()
