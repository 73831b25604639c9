"""The formats of a file, and a table written in one of them piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from graphql_api.export.tables import Chunk, Table
from graphql_api.export.text import Csv, Json

FORMATS = ("csv", "json", "arrow", "parquet")


class Encoder(Protocol):
    """A format: what a file begins with, its rows chunk by chunk, and its end."""

    media_type: str

    def begin(self) -> bytes:
        """Return the first bytes."""

    def add(self, chunk: Chunk) -> bytes:
        """Return the bytes of a chunk, or none if they are still to come."""

    def end(self) -> bytes:
        """Return the last bytes."""


async def new_encoder(form: str, table: Table) -> Encoder:
    """Return the encoder of one of FORMATS, made in a thread: to import pyarrow takes a while."""
    return await asyncio.to_thread(_new_encoder, form, table)


def _new_encoder(form: str, table: Table) -> Encoder:
    if form in {"csv", "json"}:
        return Csv(table.columns) if form == "csv" else Json(table.columns)
    from graphql_api.export.columnar import Arrow, Parquet  # noqa: PLC0415 - the API starts without pyarrow

    return Arrow(table) if form == "arrow" else Parquet(table)


async def encode(table: Table, encoder: Encoder) -> AsyncIterator[bytes]:
    """Yield the file in pieces, the first after the first read."""
    begun = encoder.begin()
    async for chunk in table.chunks:
        piece = begun + await asyncio.to_thread(encoder.add, chunk)
        begun = b""
        if piece:
            yield piece
    yield begun + await asyncio.to_thread(encoder.end)
