"""One pipeline at a time on a database: what one run reads of the lake and the markers no other changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from database.connection import connected
from database.queries import query


@contextmanager
def my_turn(url: str, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the pipeline of the database at `url`; `wait` is called once if another run holds it.

    It is the session's: a killed run's turn ends with its connection.
    """
    with connected(url, autocommit=True) as connection:
        if connection.execute(query("try_turn")).fetchone() == (False,):
            wait()
            connection.execute(query("take_turn"))
        yield
