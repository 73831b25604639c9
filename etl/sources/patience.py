"""Asking again: how often, how long to wait in between, and when to give up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

T = TypeVar("T")
TRIES = 8
_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 30.0


class RefusalError(Exception):
    """One try failed; the next may not. `retry_after`: how many seconds the other side asks to wait."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        asks = f" and asks to wait for {retry_after:g} s" if retry_after is not None else ""
        super().__init__(reason + asks)


@dataclass(frozen=True)
class Patience:
    """At most TRIES tries and at most `seconds` of waiting between them; `sleep` waits."""

    seconds: float
    sleep: Callable[[float], None] = time.sleep

    def ask(self, question: Callable[[], T]) -> T:
        """Return what `question` returns; RefusalError as the last try raised it, when patience ends."""
        retrying = Retrying(
            retry=retry_if_exception_type(RefusalError),
            wait=_wait,
            stop=self._stop,
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(question)

    def _stop(self, state: RetryCallState) -> bool:
        return state.attempt_number >= TRIES or state.idle_for + state.upcoming_sleep > self.seconds


def _wait(state: RetryCallState) -> float:
    """Return as long as the other side asks for, else twice the last wait, a little scattered."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RefusalError) and error.retry_after is not None:
        return error.retry_after
    longest: float = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** (state.attempt_number - 1))
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - so that many clients do not come back at once
