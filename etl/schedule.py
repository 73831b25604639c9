"""The daily refresh of every market, again after a failure, once after a long sleep.

What is done and what is planned stands in the database: a schedule that is killed is taken up by the next.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from btcql.errors import BtcqlError
from btcql.rhythm import JITTER
from database.connection import Connection
from database.events import read_followed, read_next_telling, write_freshness
from database.runs import (
    Clock,
    Plan,
    ScheduleLock,
    read_last_refresh,
    read_plan,
    recorded,
    remove_plans,
    write_plan,
)
from etl.due import expected_through, last_due, next_due, retry
from etl.notify import Address, tell_untold

_LONGEST_WAIT = timedelta(hours=6)

logger = logging.getLogger("btcql.schedule")


@dataclass(frozen=True)
class Schedule:
    """A loop over a database's markets.

    `refresh` brings a market up to date and returns how many rows that wrote or removed; `wait` sleeps up to
    so many seconds and returns whether the loop is to end. It may return early, and the loop looks again: a
    machine that was asleep is a little late, and not a day.
    """

    database_url: str
    markets: Callable[[], Sequence[str]]
    refresh: Callable[[str], int]
    now: Clock
    wait: Callable[[float], bool]
    notify: Sequence[Address] = ()
    jitter: Callable[[], timedelta] = field(default=lambda: random.random() * JITTER)  # noqa: S311 - no secret

    def run(self, lock: ScheduleLock) -> None:
        """Refresh what is due, until `wait` says that it is enough; `lock` is held.

        When the database goes away, and the lock with it, `schedule_lock` raises DatabaseUnavailableError.
        """
        while True:
            ahead = self.work(lock.connection) - self.now()
            if self.wait(max(ahead.total_seconds(), 0)):
                return

    def work(self, connection: Connection) -> datetime:
        """Do all that is due now, and return when something will be due next."""
        markets = list(self.markets())
        for market in markets:
            if self._is_due(connection, market):
                self._refresh(connection, market)
        now = self.now()
        for market, through in read_followed(connection):
            if market in markets:
                write_freshness(connection, market, now, through, expected_through(now))
        tell_untold(connection, self.notify, now)
        remove_plans(connection, markets)
        plans = [read_plan(connection, market) for market in markets]
        ahead = [plan.next_at for plan in plans if plan]
        telling = read_next_telling(connection)
        return min([*ahead, *([telling] if telling else []), now + _LONGEST_WAIT])

    def _is_due(self, connection: Connection, market: str) -> bool:
        now = self.now()
        last = read_last_refresh(connection, market)
        done = last is not None and last >= last_due(now)
        plan = read_plan(connection, market)
        if plan is not None and plan.next_at > now and not (done and plan.failures):
            return False
        if done:  # by whomever: cron, a person, the start of `btcql up`
            write_plan(connection, market, Plan(next_due(now) + self.jitter(), 0))
        elif plan is None:
            write_plan(connection, market, Plan(now, 0))
        return not done

    def _refresh(self, connection: Connection, market: str) -> None:
        plan = read_plan(connection, market)
        failures = plan.failures if plan else 0
        try:
            with recorded(self.database_url, market, "refresh", self.now, failures + 1) as run:
                run.rows = self.refresh(market)
        except BtcqlError as error:
            logger.warning("the refresh of %s failed: %s", market, error)
        except Exception:  # a bug: one market's is not another's
            logger.exception("the refresh of %s failed", market)
        else:
            write_plan(connection, market, Plan(next_due(self.now()) + self.jitter(), 0))
            return
        write_plan(connection, market, Plan(retry(self.now(), failures + 1), failures + 1))
