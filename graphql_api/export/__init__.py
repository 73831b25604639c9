"""Whole series as files, by address: /export/{candles,movingAverage,forecast}.{csv,json,arrow,parquet}."""
