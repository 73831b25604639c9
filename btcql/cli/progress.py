"""What a person sees of a running pipeline: a bar for each stage, and its notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_STAGES = {
    "FetchMonth": "Fetch months",
    "RecheckMonth": "Look once more",
    "LandFile": "Land in the lake",
    "LandSample": "Make the sample",
    "RemoveSample": "Remove the sample",
    "PrepareMonth": "Prepare months",
    "LoadMonth": "Load months",
    "RefreshAggregates": "Refresh aggregates",
    "IssueForecast": "Forecast",
}

console = Console(highlight=False)


class _RateColumn(ProgressColumn):
    """How many are done in a minute."""

    def render(self, task: Task) -> Text:
        """Return the rate, nothing where it is not known yet."""
        return Text(f"{60 * task.speed:,.0f}/min" if task.speed else "")


class Stages:
    """The observer of a run that draws it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, Any] = {}
        self._shares: dict[str, dict[str, float]] = {}
        self.rows_written = 0
        self.rows_removed = 0
        self.overruled: list[str] = []

    def expect(self, family: str, total: int) -> None:
        """Say beforehand how many tasks of a family will run, or how many more."""
        if family in self._bars:
            task = self._progress.tasks[self._bars[family]]
            self._progress.update(task.id, total=task.completed + total)
        else:
            self._bars[family] = self._progress.add_task(_STAGES[family], total=total)

    def say(self, line: str) -> None:
        """Print a line for a person above the bars."""
        self._progress.console.print(f"[yellow]note:[/] {line}", soft_wrap=True)

    def finish(self) -> None:
        """Fill the bars: what was expected and did not run was complete already."""
        for bar in self._bars.values():
            task = self._progress.tasks[bar]
            self._progress.update(bar, total=task.completed)

    def __call__(self, event: str, task: Any, said: Any) -> None:
        """Take one event of a run."""
        family = task.task_family
        bar = self._bars.get(family)
        if event == "event.core.start" and (bar is None or self._progress.tasks[bar].finished):
            self.expect(family, 1)
        elif event == "event.core.success":
            self._draw(family, task.task_id, 1)
        elif event == "btcql.progress":
            self._draw(family, task.task_id, said)
        elif event == "btcql.notice":
            for line in said:
                self.say(line)
        elif event == "btcql.loaded":
            self.rows_written += said.written
            self.rows_removed += said.removed

    def _draw(self, family: str, task_id: str, share: float) -> None:
        shares = self._shares.setdefault(family, {})
        shares[task_id] = share
        self._progress.update(self._bars[family], completed=sum(shares.values()))


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        SpinnerColumn(),
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        _RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )


@contextmanager
def counted(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Draw one bar while the block runs; what is yielded is told how many more are done."""
    with Progress(*_columns(), console=console) as progress:
        bar = progress.add_task(description, total=total)
        yield lambda more: progress.advance(bar, more)


@contextmanager
def stages() -> Iterator[Stages]:
    """Draw the stages while the block runs."""
    with Progress(*_columns(), console=console) as progress:
        seen = Stages(progress)
        yield seen
        seen.finish()


def rows(*seen: Stages) -> int:
    """Return how many rows runs wrote or removed."""
    return sum(one.rows_written + one.rows_removed for one in seen)


def describe(*seen: Stages) -> str:
    """Say what runs wrote."""
    written, removed = sum(one.rows_written for one in seen), sum(one.rows_removed for one in seen)
    done = f"{written:,} rows written, {removed:,} removed"
    overruled_bars = [line for one in seen for line in one.overruled]
    if overruled_bars:
        return ": ".join([done, "; ".join(overruled_bars)])
    return done if written or removed else f"{done}: the lake has nothing new to load"
