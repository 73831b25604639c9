"""How a setting is declared: its variable, its meaning, and what its value may be, in one place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field


def setting(
    variable: str, default: str, meaning: str, allowed: Callable[[str], object] | None = None, wrong: str = ""
) -> str:
    """Declare a setting read from `variable`; of a value that is not `allowed` it is said what is `wrong`."""
    said = {"variable": variable, "meaning": meaning, "allowed": allowed, "wrong": wrong}
    return field(default=default, metadata=said)


def number(pattern: str) -> Callable[[str], object]:
    """Return what allows the digits that `pattern` matches whole."""
    return re.compile(pattern, re.ASCII).fullmatch


def choice(variable: str, choices: tuple[str, ...], meaning: str) -> str:
    """Declare a setting that is one of `choices`, by default the first."""
    wrong = f"is not one of its values: give {' or '.join(choices)}"
    return setting(variable, choices[0], meaning, choices.__contains__, wrong)


def address(variable: str, meaning: str, schemes: tuple[str, ...], example: str) -> str:
    """Declare a setting that is an address of one of `schemes`, or empty."""

    def allowed(url: str) -> bool:
        return not url or url.startswith(schemes)

    return setting(variable, "", meaning, allowed, f"is not an address: give {example}")


def tcp_port(variable: str, default: str, meaning: str) -> str:
    """Declare a setting that is a TCP port."""

    def allowed(text: str) -> bool:
        return text.isdecimal() and 1 <= int(text) <= 65535  # noqa: PLR2004 - the range of TCP ports

    return setting(variable, default, meaning, allowed, "is not a port: give a number from 1 to 65535")
