"""The pipeline's figures for Prometheus, from the database alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as MEDIA_TYPE

from database.readers.pipeline import MarketMetrics

__all__ = ["MEDIA_TYPE", "PipelineMetrics", "exposition"]


@dataclass(frozen=True)
class PipelineMetrics:
    """What the database tells: its bytes on the disk, and its markets."""

    size: int
    markets: Sequence[MarketMetrics]


def exposition(pipeline: PipelineMetrics | None, now: datetime) -> bytes:
    """Return the text that Prometheus reads: one series per market of each figure that it has.

    None: the database does not answer, and only that is told.
    """
    registry = CollectorRegistry()
    Gauge("btcql_database_up", "whether the database answers", registry=registry).set(pipeline is not None)

    def gauge(name: str, meaning: str) -> Gauge:
        return Gauge(f"btcql_{name}", meaning, ["market"], registry=registry)

    success = gauge("last_success_timestamp_seconds", "when the newest successful run of the market ended")
    rows = gauge("rows", "base bars loaded")
    gaps = gauge("missing_days", "whole days without a bar between the first and the last")
    through = gauge("data_through_timestamp_seconds", "the end of the last complete bar")
    lag = gauge("lag_seconds", "from the end of the last complete bar until now")
    failures = gauge("failures", "refreshes that failed since the last success")
    followed = gauge("followed", "1 if an exchange goes on with the market, 0 if it is of files alone")
    if pipeline is not None:
        size = Gauge("btcql_database_bytes", "of the database on its server's disk", registry=registry)
        size.set(pipeline.size)
    for market in pipeline.markets if pipeline is not None else ():
        followed.labels(market.symbol).set(market.is_followed)
        rows.labels(market.symbol).set(market.rows)
        gaps.labels(market.symbol).set(market.missing_days)
        through.labels(market.symbol).set(market.through.timestamp())
        lag.labels(market.symbol).set(max(0.0, (now - market.through).total_seconds()))
        if market.last_success_at is not None:
            success.labels(market.symbol).set(market.last_success_at.timestamp())
        if market.failures is not None:
            failures.labels(market.symbol).set(market.failures)
    return generate_latest(registry)
