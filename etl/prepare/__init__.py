"""Prepare: from the raw lake's verified files to the rows that are loaded, month by month."""

from etl.prepare.month import PREPARED, Prepared, month_input, month_inputs, prepare_month

__all__ = ["PREPARED", "Prepared", "month_input", "month_inputs", "prepare_month"]
