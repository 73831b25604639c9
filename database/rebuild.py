"""A database made anew beside the old one, whose name it takes once it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import date
from graphlib import TopologicalSorter

from psycopg import errors, sql

from btcql.errors import DatabaseError
from database.address import database_of, with_database
from database.capabilities import read_capabilities
from database.connection import Connection, connected
from database.creation import create_database
from database.migrate import migrate
from database.queries import query
from database.writers import read_markers

# From here other databases are renamed and dropped: every server has it.
_MAINTENANCE = "postgres"
_REMADE = [
    "migration",
    "scaled_candle",
    "candle_hour",
    "candle_day",
    "aggregate_refresh",
    "load",
    "load_digest",
    "quality_warning",
    "data_version",
]
_PAUSE_SECONDS = 0.05
_ATTEMPTS = 6  # the server gives each of them five seconds


def create_beside(url: str) -> str:
    """Make an empty database with its schema beside that of `url`, and return its address.

    What a killed rebuild left behind goes first. Raises DatabaseError where the role may make none, and for
    the database from which others are renamed.
    """
    name = database_of(url)
    if name == _MAINTENANCE:
        raise DatabaseError(
            f"the database {name!r} cannot be renamed, as a rebuild has to: use one of your own "
            "(CREATE DATABASE btcql; BTCQL_DATABASE_URL)"
        )
    with connected(with_database(url, _MAINTENANCE), autocommit=True) as connection:
        for left in (_fresh(name), _former(name)):
            _drop(connection, left)
    address = create_database(with_database(url, _MAINTENANCE), _fresh(name))
    migrate(address)
    _keep_chunk_length(url, address)
    return address


def read_loaded(url: str) -> dict[str, set[date]]:
    """Return the loaded months of each market; none where the database has no schema yet."""
    with connected(url) as connection:
        if not connection.execute(query("find_schema")).fetchone():
            return {}
        symbols = connection.execute(query("read_loaded_symbols")).fetchall()
        return {symbol: set(read_markers(connection, symbol)) for (symbol,) in symbols}


@contextmanager
def carried_over(url: str, fresh_url: str) -> Iterator[int]:
    """Copy what no lake has (forecasts, records of runs, keys) to the fresh database; yield the rows.

    All tables but those that the loads make anew, in one transaction of either database. Nobody writes to
    them in the block: who would (to revoke a key, say) waits, and is refused once the old database goes.
    """
    with connected(url) as old:
        old.execute(query("name_holder"))
        with connected(fresh_url) as fresh:
            tables = [table for table in _carried(fresh) if _columns(old, table)]
            locked = sql.SQL(", ").join(map(sql.Identifier, tables))
            old.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(locked))
            rows = sum(_carry_table(old, fresh, table) for table in tables)
        try:
            yield rows
        finally:
            old.close()  # it wrote nothing, and `take_name` has ended its session


def take_name(url: str, let_go: Callable[[], None]) -> None:
    """Give the database made by `create_beside` the name of `url`'s, in one transaction; drop the old one.

    A killed run leaves one of the two under the name, whole. All sessions of both are ended; new ones wait
    for the moment that it takes. `let_go` closes the caller's own when no other can begin any more. Raises
    DatabaseError if a session does not end.
    """
    name = database_of(url)
    maintenance = with_database(url, _MAINTENANCE)
    with (
        ThreadPoolExecutor(1) as pool,
        connected(maintenance, autocommit=True) as ending,
        connected(maintenance, autocommit=True) as renaming,
    ):
        renamed = pool.submit(_rename, renaming, {name: _former(name), _fresh(name): name})
        alone = False
        while not renamed.done():
            # The rename keeps new sessions out, and waits a few seconds for those that there are.
            if not alone and ending.execute(query("find_renaming"), [name]).fetchone():
                let_go()
                alone = True
            if alone:
                ending.execute(query("end_sessions"), [[name, _fresh(name)]])
            wait([renamed], timeout=_PAUSE_SECONDS)
        renamed.result()
        _restart_jobs(ending, name)
        _drop(ending, _former(name))


def _keep_chunk_length(url: str, fresh_url: str) -> None:
    """Let the fresh database's chunks be as long as the old one's, where both have chunks."""
    with connected(url) as old, connected(fresh_url) as fresh:
        found = [
            connection.execute(query("read_chunk_length")).fetchone()
            for connection in (old, fresh)
            if read_capabilities(connection).timescaledb
        ]
        if len(found) == 2 and found[0] is not None:  # noqa: PLR2004 - both
            fresh.execute(query("set_chunk_length"), found[0])


def _fresh(name: str) -> str:
    return f"{name}_rebuild"


def _former(name: str) -> str:
    return f"{name}_before_rebuild"


def _rename(connection: Connection, names: dict[str, str]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            with connection.transaction():
                for old, new in names.items():
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(old), sql.Identifier(new)
                        )
                    )
        except errors.ObjectInUse:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _restart_jobs(connection: Connection, name: str) -> None:
    """Start TimescaleDB's scheduler, which stops before its database is renamed and does not come back.

    It is started again by whoever asks to move the database to another tablespace, before that is looked at:
    a move to where the database is does nothing, and is refused to all but superusers.
    """
    found = connection.execute(query("read_tablespace"), [name]).fetchone()
    if found is None:
        raise DatabaseError(f"the database {name} is gone, although it has just taken that name")
    move = sql.SQL("ALTER DATABASE {} SET TABLESPACE {}")
    with suppress(errors.InsufficientPrivilege):
        connection.execute(move.format(sql.Identifier(name), sql.Identifier(found[0])))


def _drop(connection: Connection, name: str) -> None:
    # Not WITH (FORCE): it would refuse where the server's own vacuum is at work, which this sends away.
    for attempt in range(_ATTEMPTS):
        connection.execute(query("end_sessions"), [[name]])
        try:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        except errors.ObjectInUse:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _carried(connection: Connection) -> list[str]:
    """Name the tables to copy, each after those that it refers to."""
    found = connection.execute(query("read_carried_tables"), [_REMADE])
    referred: dict[str, list[str]] = dict(found.fetchall())
    order = TopologicalSorter(referred).static_order()
    return [table for table in order if table in referred]


def _columns(connection: Connection, table: str) -> list[str]:
    return [column for (column,) in connection.execute(query("read_columns"), [table])]


def _carry_table(old: Connection, fresh: Connection, table: str) -> int:
    known = _columns(old, table)
    columns = [column for column in _columns(fresh, table) if column in known]
    names = {
        "table": sql.Identifier(table),
        "columns": sql.SQL(", ").join(sql.Identifier(column) for column in columns),
    }
    taken = sql.SQL("COPY {table} ({columns}) TO STDOUT (FORMAT BINARY)").format(**names)
    given = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)").format(**names)
    cursor = fresh.cursor()
    with old.cursor().copy(taken) as out, cursor.copy(given) as into:
        for block in out:
            into.write(block)
    for column, sequence in fresh.execute(query("read_identities"), [table]).fetchall():
        # From there the next number goes on; an empty table's stays where it is.
        highest = sql.SQL("SELECT setval({}, max({})) FROM {} HAVING max({}) IS NOT NULL").format(
            sql.Literal(sequence), sql.Identifier(column), sql.Identifier(table), sql.Identifier(column)
        )
        fresh.execute(highest)
    return cursor.rowcount
