"""The forecast as a task: wiring only."""

from __future__ import annotations

from datetime import UTC, date, datetime

import luigi

from btcql.errors import ForecastError
from btcql.vintages import DailyColumns
from database.forecasts import find_vintage, read_daily_bars, write_vintage
from etl.task import NOTICE, PipelineTask
from etl.tasks import RefreshAggregates
from ml import model, vintage
from ml.frame import DailyBars


class IssueForecast(PipelineTask):
    """The forecast of the fifteen days after the last closed day up to `as_of`: a vintage, kept for ever."""

    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")
    as_of = luigi.DateParameter(description="no later day is used")
    demanded = luigi.BoolParameter(
        significant=False, description="fail where the bars allow no forecast, instead of going without"
    )

    def requires(self) -> RefreshAggregates:
        """The daily bars, up to date."""
        return self.clone(RefreshAggregates)  # type: ignore[no-any-return]

    def complete(self) -> bool:
        """Whether this model's forecast from these very bars stands already, or none can be made of them."""
        if not self.requires().complete():
            return False
        try:
            bars, based_on = self._bars()
            used = vintage.usable_bars(bars, based_on)
        except ForecastError:
            return not self.demanded
        with self.connected() as connection:
            return find_vintage(
                connection, self.symbol, based_on, used.data_hash(), model.NAME, model.VERSION
            )

    def run(self) -> None:
        """Learn, forecast and write the vintage down."""
        try:
            bars, based_on = self._bars()
            issued = vintage.issue(bars, based_on)
        except ForecastError as error:
            if self.demanded:
                raise
            self.say(f"no forecast: {error}")
            self.trigger_event(NOTICE, self, (f"no forecast: {error}",))
            return
        with self.connected() as connection:
            write_vintage(connection, self.symbol, issued, datetime.now(UTC))
        nearest = issued.points[0]
        median = nearest.prices[len(nearest.prices) // 2]
        self.say(f"based on {based_on}: {nearest.day} at {median:,.2f}")

    def _bars(self) -> tuple[DailyBars, date]:
        with self.connected() as connection:
            columns: DailyColumns = read_daily_bars(connection, self.symbol, self.as_of, datetime.now(UTC))
        if not columns.day:
            raise ForecastError(f"{self.symbol} has no closed day up to {self.as_of}")
        return DailyBars.of(*columns), columns.day[-1]
