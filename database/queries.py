"""Named queries: each in database/sql/*.sql under `-- name: <query>` and a `--` line saying why."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

_HEADER = re.compile(r"^-- name: (?P<name>\w+)\n-- \S.*\n", re.MULTILINE)


def query(name: str) -> LiteralString:
    """Return the SQL of the named query; KeyError if there is none.

    It is part of the program's own source, hence LiteralString: psycopg takes nothing else.
    """
    return _queries()[name]


@cache
def _queries() -> dict[str, LiteralString]:
    """Read every file once; a query without its two lines, or a name given twice, is a ValueError."""
    found: dict[str, LiteralString] = {}
    for file in files("database").joinpath("sql").iterdir():
        if not file.name.endswith(".sql"):
            continue
        text = file.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        if not headers or text[: headers[0].start()].strip() or len(headers) != text.count("-- name:"):
            raise ValueError(f"{file.name}: every query begins with '-- name: <query>' and a '-- <why>' line")
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            if header["name"] in found:
                raise ValueError(f"{file.name}: {header['name']} is the name of another query too")
            found[header["name"]] = text[header.end() : end].strip().removesuffix(";")
    return found
