"""Columns come as PostgreSQL has them, whatever their number and types."""

from __future__ import annotations

import asyncio
from typing import Any, LiteralString

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from database.columns import Columns, fetch_columns
from database.pool import Connection, Pool

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

_ROWS: LiteralString = """
SELECT n AS number, n / 3.0::float8 AS third, 'epoch'::timestamptz + n * INTERVAL '1 microsecond' AS at
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_COLUMNS = Columns({"at": "timestamptz", "number": "bigint", "third": "float8"})


def decoded(url: str, columns: Columns, query: LiteralString) -> list[NDArray[Any]]:
    with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(columns.statement(query))
        assert cursor.pgresult is not None
        return columns.decode(cursor.pgresult)


async def numbers(connection: Connection, first: int, last: int) -> tuple[list[NDArray[Any]], list[int]]:
    parameters = {"first": first, "last": last}
    return await fetch_columns(
        connection, _ROWS, _COLUMNS, parameters, "SELECT 1::bigint << 40", "SELECT NULL::bigint"
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


@pytest.mark.parametrize("nulls", ["= 2", "> 1", "> 0"], ids=["one", "some", "all"])
@pytest.mark.parametrize("name", ["at", "number", "third"])
def test_nulls_are_refused(server_url: str, name: LiteralString, nulls: LiteralString) -> None:
    columns = Columns({"at": "timestamptz", "number": "bigint", "third": "float8"})
    kinds: dict[str, LiteralString] = {
        "at": "'epoch'::timestamptz",
        "number": "n",
        "third": "n / 3.0::float8",
    }
    kinds[name] = f"CASE WHEN NOT n {nulls} THEN {kinds[name]} END"
    selected = ", ".join(f"{value} AS {key}" for key, value in kinds.items())
    with pytest.raises(ValueError, match="null in one of 3 rows"):
        decoded(server_url, columns, f"SELECT {selected} FROM generate_series(1, 3) AS n")


def test_infinity_and_the_bounds_of_numbers_come_as_they_are(server_url: str) -> None:
    columns = Columns({"a": "float8", "b": "float8", "n": "bigint"})
    query: LiteralString = """
    SELECT '-infinity'::float8 AS a, 'nan'::float8 AS b, 9223372036854775807 AS n
    UNION ALL SELECT 5e-324, 1.7976931348623157e308, -9223372036854775808
    """
    a, b, n = decoded(server_url, columns, query)
    assert sorted(a.tolist()) == [-np.inf, 5e-324]
    assert np.isnan(b).tolist().count(True) == 1
    assert 1.7976931348623157e308 in b.tolist()
    assert {*n.tolist()} == {2**63 - 1, -(2**63)}


def test_other_types_are_converted_as_postgresql_does_it_or_refused(server_url: str) -> None:
    (a,) = decoded(server_url, Columns({"a": "float8"}), "SELECT 1.5::numeric AS a")
    assert a.tolist() == [1.5]
    with pytest.raises(psycopg.errors.UndefinedFunction):
        decoded(server_url, Columns({"a": "float8"}), "SELECT 'x'::text AS a")
