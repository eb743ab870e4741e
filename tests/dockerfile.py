"""The Dockerfile: its stages, and the instructions of each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction of a Dockerfile, continued lines joined, comments left out."""
    uncommented = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in uncommented.replace("\\\n", " ").splitlines():
        if line.strip():
            word, rest = line.split(maxsplit=1)
            yield Instruction(word, " ".join(rest.split()))


def stages(text: str) -> list[list[Instruction]]:
    """The instructions before the first FROM, then those of each stage."""
    found: list[list[Instruction]] = [[]]
    for instruction in instructions(text):
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


BEFORE, BUILD, FINAL = stages((CHECKOUT / "Dockerfile").read_text(encoding="utf-8"))


def every(stage: list[Instruction], word: str) -> list[str]:
    """What follows each *word* of a *stage*."""
    return [instruction.rest for instruction in stage if instruction.word == word]


def environment(stage: list[Instruction]) -> dict[str, str]:
    """The variables that a *stage* sets."""
    return dict(pair.split("=", 1) for rest in every(stage, "ENV") for pair in rest.split())


def copied() -> set[str]:
    """What the build takes from the checkout."""
    return {source for rest in every(BUILD, "COPY") for source in rest.split()[:-1]}
