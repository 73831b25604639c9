"""What becomes known of one HTTP request on its way: for its headers, its log line and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from graphql_api.limiter import Standing

if TYPE_CHECKING:
    from graphql_api.admission import Admitted
    from graphql_api.cache import Kept, Question

CacheResult: TypeAlias = Literal["hit", "miss", "stale"]


@dataclass(slots=True)
class Exchange:
    """One request and its answer; each step adds what it knows.

    gated: whether it mattered who asks; operation: the name that the client gave it; cost: what it was
    charged; standing: how the client stands with its rate limit, called policy; cache: what the answer
    cache had; admitted: what may run; answered: by what the cache had, and that stands; codes: the
    contract's codes of the errors; error_ids: of those that were masked.
    """

    request_id: str
    trace_id: str | None = None
    gated: bool = False
    client: str | None = None
    policy: str = ""
    operation: str | None = None
    cost: int = 0
    standing: Standing | None = None
    cache: CacheResult | None = None
    admitted: Admitted | None = None
    answered: tuple[Question, Kept] | None = None
    codes: list[str] = field(default_factory=list)
    error_ids: list[str] = field(default_factory=list)


current: ContextVar[Exchange | None] = ContextVar("btcql_exchange", default=None)


def name_operation(name: str | None) -> None:
    """Say what the request at hand runs."""
    if (exchange := current.get()) is not None:
        exchange.operation = name


def note_cache(result: CacheResult) -> None:
    """Say what the answer cache had for the request at hand."""
    if (exchange := current.get()) is not None:
        exchange.cache = result


def note_admitted(admitted: Admitted) -> None:
    """Say that the request at hand may run, and as what."""
    if (exchange := current.get()) is not None:
        exchange.admitted = admitted


def note_answer(question: Question, kept: Kept) -> None:
    """Say that the request at hand is answered with what is kept for this question, and stands."""
    if (exchange := current.get()) is not None:
        exchange.answered = question, kept


def add_error(extensions: Mapping[str, object]) -> None:
    """Say that the request at hand is answered with an error of these extensions."""
    if (exchange := current.get()) is not None:
        exchange.codes.append(str(extensions["code"]))
        if (error_id := extensions.get("errorId")) is not None:
            exchange.error_ids.append(str(error_id))
