"""What a person sees of a running pipeline: a bar for each stage, and its notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

_STAGES = {
    "LandFile": "Land in the lake",
    "LandSample": "Make the sample",
    "RemoveSample": "Remove the sample",
    "PrepareMonth": "Prepare months",
    "LoadMonth": "Load months",
    "RefreshAggregates": "Refresh aggregates",
    "IssueForecast": "Forecast",
}

console = Console(highlight=False)


class Stages:
    """The observer of a run that draws it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, Any] = {}
        self.rows_written = 0
        self.rows_removed = 0

    def expect(self, family: str, total: int) -> None:
        """Say beforehand how many tasks of a family will run, or how many more."""
        if family in self._bars:
            task = self._progress.tasks[self._bars[family]]
            self._progress.update(task.id, total=task.completed + total)
        else:
            self._bars[family] = self._progress.add_task(_STAGES[family], total=total)

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
            self._progress.advance(self._bars[family])
        elif event == "btcql.notice":
            for line in said:
                self._progress.console.print(f"[yellow]note:[/] {line}")
        elif event == "btcql.loaded":
            self.rows_written += said.written
            self.rows_removed += said.removed


@contextmanager
def stages() -> Iterator[Stages]:
    """Draw the stages while the block runs."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        seen = Stages(progress)
        yield seen
        seen.finish()
