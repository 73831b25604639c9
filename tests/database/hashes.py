"""What a database holds, as one hash per table, to compare it with another that came about differently."""

from __future__ import annotations

import hashlib

from database.connection import connected

# The last bits of a sum depend on its order: twelve significant digits of it are compared.
_AGGREGATE = """
SELECT symbol, ts, open, high, low, close, to_char(volume, '9.99999999999EEEE'), observed,
       to_char(close_sum, '9.99999999999EEEE'), minutes
FROM {} ORDER BY symbol COLLATE "C", ts
"""
# Without what differs from run to run: identities, and the times of writing.
_MODEL = "model.symbol, model.name, model.version, model.trained_from, model.trained_through, model.data_hash"
_TABLES = {
    "candle": """
        SELECT symbol, ts, open, high, low, close, volume, minutes
        FROM candle ORDER BY symbol COLLATE "C", ts
    """,
    "candle_1h": _AGGREGATE.format("candle_1h"),
    "candle_1d": _AGGREGATE.format("candle_1d"),
    "load": """
        SELECT symbol, month, sources, input_sha256, raw_objects, rows, first_ts, complete_through
        FROM load ORDER BY symbol COLLATE "C", month
    """,
    "forecast_model": f"""
        SELECT {_MODEL}, model.parameters, model.libraries
        FROM forecast_model AS model ORDER BY row({_MODEL})
    """,
    "forecast": f"""
        SELECT {_MODEL}, based_on, retrospective, last_close, probabilities
        FROM forecast JOIN forecast_model AS model USING (model_id) ORDER BY row({_MODEL}, based_on)
    """,
    "forecast_point": f"""
        SELECT {_MODEL}, based_on, horizon, day, prices
        FROM forecast_point
        JOIN forecast USING (forecast_id)
        JOIN forecast_model AS model USING (model_id)
        ORDER BY row({_MODEL}, based_on), horizon
    """,
}


def table_hashes(url: str) -> dict[str, str]:
    """Return the sha256 of each table's rows in order, floats written exactly but for sums: 12 digits."""
    hashes = {}
    with connected(url) as connection:
        for table, rows in _TABLES.items():
            digest = hashlib.sha256()
            with connection.cursor().copy(f"COPY ({rows}) TO STDOUT".encode()) as copy:
                for block in copy:
                    digest.update(block)
            hashes[table] = digest.hexdigest()
    return hashes
