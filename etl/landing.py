"""Tasks that bring bars into the lake; complete when the lake has the receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import luigi
from luigi.parameter import ParameterVisibility

from btcql.records import SYNTHETIC, Timeframe
from etl.sources import archive
from etl.sources.sample import sample_bars, sample_sha256
from etl.task import NOTICE, PipelineTask
from lake.path import Partition
from lake.receipt import Receipt
from lake.schema import by_month


class LandFile(PipelineTask):
    """A file of bars into the lake: checked whole, its own bytes kept, published month by month."""

    name = luigi.Parameter(description="the file's name")
    sha256 = luigi.Parameter(description="of the file's bytes")
    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")
    source = luigi.Parameter(description="where the bars come from, such as bitstamp or file:prices")
    timeframe = luigi.Parameter(default="", description="1m, 1h or 1d; empty: found by the bars' spacing")
    path = luigi.Parameter(
        default="",
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="empty: the lake's own copy",
    )

    @property
    def _timeframe(self) -> Timeframe | None:
        return Timeframe(self.timeframe) if self.timeframe else None

    def complete(self) -> bool:
        """Whether the lake has the import's receipt, and each month that it lists.

        A month may have been lost, or removed because it was damaged: then the file is landed once more.
        """
        receipt = self.receipt()
        return receipt is not None and set(receipt.partitions) <= set(self.lake.walk(self.symbol))

    def receipt(self) -> Receipt | None:
        """Return what the lake has of the import, None while it is not whole."""
        return self.lake.receipt(self.sha256, self.symbol, self.source, self._timeframe)

    def run(self) -> None:
        """Read, keep, publish, and only then write the receipt."""
        now = datetime.now(UTC)
        if self.path:
            self._land(Path(self.path), now)
        else:
            with self.lake.original(self.sha256) as path:
                self._land(path, now)

    def _land(self, path: Path, now: datetime) -> None:
        with archive.opened(path, self._timeframe, now, Path(self.work_path)) as bars:
            self.lake.keep_original(path, self.sha256)
            partitions, landed = [], 0
            for month, table in bars.months():
                partition = Partition(self.source, self.symbol, bars.timeframe, month)
                self.lake.publish(
                    partition,
                    table,
                    request={key: self.param_kwargs[key] for key in ("name", "sha256", "timeframe")},
                    complete_through=bars.complete_through,
                    fetched_at=now,
                )
                partitions.append(partition)
                landed += table.num_rows
                self.progress(landed, bars.rows)
        self.lake.write_receipt(
            Receipt(
                sha256=self.sha256,
                symbol=self.symbol,
                source=self.source,
                timeframe=bars.timeframe,
                name=self.name,
                rows=bars.rows,
                complete_through=bars.complete_through,
                landed_at=now,
                partitions=tuple(partitions),
            )
        )
        self.say("\n".join([f"{bars.rows:,} bars of {bars.timeframe}", *bars.notices]))
        self.trigger_event(NOTICE, self, [f"{self.name}: {notice}" for notice in bars.notices])


class LandSample(PipelineTask):
    """The made-up market into the lake, up to a day: hours of ten years, minutes of the last thirty days."""

    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")
    through = luigi.DateParameter(description="the bars end where this day begins")

    def complete(self) -> bool:
        """Whether the lake has the receipts of both timeframes."""
        return all(
            self.lake.receipt(sample_sha256(self._through), self.symbol, SYNTHETIC, timeframe) is not None
            for timeframe in (Timeframe.HOUR, Timeframe.MINUTE)
        )

    @property
    def _through(self) -> datetime:
        return datetime(self.through.year, self.through.month, self.through.day, tzinfo=UTC)

    def run(self) -> None:
        """Make, publish, and only then write the receipts."""
        now = datetime.now(UTC)
        for timeframe, bars in sample_bars(self._through).items():
            partitions = []
            for month, table in by_month(bars):
                partition = Partition(SYNTHETIC, self.symbol, timeframe, month)
                request = {"sample_through": self.through.isoformat()}
                self.lake.publish(
                    partition, table, request=request, complete_through=self._through, fetched_at=now
                )
                partitions.append(partition)
            self.lake.write_receipt(
                Receipt(
                    sha256=sample_sha256(self._through),
                    symbol=self.symbol,
                    source=SYNTHETIC,
                    timeframe=timeframe,
                    name="made-up sample",
                    rows=bars.num_rows,
                    complete_through=self._through,
                    landed_at=now,
                    partitions=tuple(partitions),
                )
            )
        self.say("SYNTHETIC: made-up prices")
