"""So many at a time, the others in the order they came: asyncio's semaphore, with an end to the waiting."""

from __future__ import annotations

import asyncio
import math

from btcql.errors import DatabaseBusyError

_PERIODS = 4  # of waiting at the most


class Turns:
    """Turns for `at_a_time`; at most `waiting` wait for one, each for `seconds` in which none has ended.

    While turns end they wait on, for only their number makes it take long then, but for no more than four
    times as long. It is what asyncio's semaphore and timeout do together, at a fraction of their cost: every
    answer takes two turns or more.
    """

    def __init__(self, at_a_time: int, waiting: int | None = None, seconds: float = math.inf) -> None:
        self._free, self._most, self._seconds = at_a_time, waiting, seconds
        self._waiting: dict[asyncio.Future[None], asyncio.TimerHandle | None] = {}  # in their order
        self._ended = 0
        self.waited = self.refused = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def take(self) -> None:
        """Take a turn, which is to be given back; raises DatabaseBusyError where none comes in time."""
        if self._free:
            self._free -= 1
            return
        if self._most is not None and len(self._waiting) >= self._most:
            raise self._refusal(f"{len(self._waiting)} others wait for their turn already")
        turn = asyncio.get_running_loop().create_future()
        self.waited += 1
        self._wait(turn, _PERIODS)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it came in the same moment
            raise
        finally:
            self._forget(turn)

    def give_back(self) -> None:
        """Give a turn back: it is of whoever has waited for longest."""
        self._ended += 1
        self._pass_on()

    def _pass_on(self) -> None:
        for turn in self._waiting:
            if not turn.done():  # as one is that was cancelled just now
                self._forget(turn)
                turn.set_result(None)
                return
        self._free += 1

    def _wait(self, turn: asyncio.Future[None], periods: int) -> None:
        timer = None
        if not math.isinf(self._seconds):
            timer = turn.get_loop().call_later(self._seconds, self._look_at, turn, periods - 1, self._ended)
        self._waiting[turn] = timer

    def _look_at(self, turn: asyncio.Future[None], periods: int, ended: int) -> None:
        """Refuse a turn for which there is no hope; `ended` had when it was looked at last."""
        if turn.done():
            return
        if periods and self._ended != ended:
            self._wait(turn, periods)
        else:
            turn.set_exception(self._refusal("it did not come in time"))

    def _forget(self, turn: asyncio.Future[None]) -> None:
        timer = self._waiting.pop(turn, None)
        if timer is not None:
            timer.cancel()

    def _refusal(self, why: str) -> DatabaseBusyError:
        self.refused += 1
        return DatabaseBusyError(f"no turn to be answered: {why}")
