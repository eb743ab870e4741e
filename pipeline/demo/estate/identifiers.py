"""The ids that AWS and Kubernetes would have made up: random, and the same for the same key."""

from random import Random

_SEED = "emr-eks-chargeback"
_HEX = "0123456789abcdef"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def chance(*key: object) -> Random:
    """A source of chance of its own for each *key*: what one thing draws does not move what others draw."""
    return Random("/".join((_SEED, *map(str, key))))  # noqa: S311 - invents names, guards nothing


def hexadecimal(length: int, *key: object) -> str:
    """*length* hexadecimal digits."""
    return "".join(chance(*key).choices(_HEX, k=length))


def base36(length: int, *key: object) -> str:
    """*length* digits and lower-case letters."""
    return "".join(chance(*key).choices(_BASE36, k=length))


def uuid(*key: object) -> str:
    """A UUID as Kubernetes writes it."""
    digits = hexadecimal(32, *key)
    return "-".join((digits[:8], digits[8:12], f"4{digits[13:16]}", f"a{digits[17:20]}", digits[20:]))


def between(low: float, high: float, *key: object) -> float:
    """A number from *low* to *high*, to three decimals."""
    return round(chance(*key).uniform(low, high), 3)
