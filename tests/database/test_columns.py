"""Columns come as PostgreSQL has them, whatever their number and types."""

from __future__ import annotations

import asyncio
from typing import Any, LiteralString

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg.pq.abc import PGresult

from database.columns import decode, fetch_columns
from database.pool import Connection, Pool

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

_ROWS: LiteralString = """
SELECT n AS number, n / 3.0::float8 AS third, 'epoch'::timestamptz + n * INTERVAL '1 microsecond' AS at
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_NAMES: tuple[LiteralString, ...] = ("at", "number", "third")


def result(url: str, query: LiteralString) -> PGresult:
    with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(query)
        assert cursor.pgresult is not None
        return cursor.pgresult


async def numbers(connection: Connection, first: int, last: int) -> tuple[list[NDArray[Any]], list[int]]:
    parameters = {"first": first, "last": last}
    return await fetch_columns(
        connection, _ROWS, _NAMES, parameters, "SELECT 1::bigint << 40", "SELECT NULL::bigint"
    )


@pytest.mark.parametrize(("first", "last"), [(-3, 4), (5, 5), (1, 2000), (1, 0)])
def test_columns_have_the_rows_in_their_order(server_url: str, first: int, last: int) -> None:
    async def fetch() -> None:
        pool = Pool(server_url)
        await pool.open()
        (at, number, third), scalars = await pool.run(numbers, first, last)
        await pool.close()
        expected = np.arange(first, last + 1)
        assert [column.dtype.name for column in (at, number, third)] == ["int64", "int64", "float64"]
        assert at.tolist() == number.tolist() == expected.tolist()
        assert third.tolist() == (expected / 3).tolist()
        assert scalars == [2**40, 0]

    asyncio.run(fetch())


def test_readers_of_one_snapshot_each_get_their_own_rows(server_url: str) -> None:
    async def fetch() -> None:
        pool = Pool(server_url)
        await pool.open()
        async with pool.snapshot() as snapshot:
            found = await asyncio.gather(*(snapshot.run(numbers, 0, last) for last in range(20)))
        await pool.close()
        assert [len(number) for (_, number, _), _ in found] == list(range(1, 21))

    asyncio.run(fetch())


@pytest.mark.parametrize(
    "columns",
    [
        "array_agg(n::float8), array_agg(NULLIF(n, 2)::float8)",
        "array_agg(n::float8), array_agg(n::float8) FILTER (WHERE n > 1)",
        "array_agg(n::float8), NULL::float8[]",
        "array_agg(n::float8), array_agg(ARRAY[n::float8])",
        "array_agg(n::float8), array_agg(n::int)",
        "array_agg(n::float8), array_agg(n::text)",
    ],
    ids=["a null", "another length", "no rows in one", "two dimensions", "four bytes each", "text"],
)
def test_what_are_no_such_columns_is_refused(server_url: str, columns: LiteralString) -> None:
    with pytest.raises(ValueError, match="arrays"):
        decode(result(server_url, f"SELECT {columns} FROM generate_series(1, 3) AS n"), 2)
