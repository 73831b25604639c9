"""Small archives, as their publishers write them."""

from __future__ import annotations

import io
import zipfile

HOUR = 3600


def kline(start: int, length: int = HOUR, unit: int = 1000) -> str:
    """A kline that starts at `start` seconds; `unit` parts of a second are its epochs' unit."""
    return f"{start * unit},10.00000000,12.0,9,11,1.50000000,{(start + length) * unit - 1},16.5,7,0.5,5.5,0\n"


def klines(start: int, number: int, length: int = HOUR, unit: int = 1000) -> str:
    return "".join(kline(start + length * step, length, unit) for step in range(number))


def kaggle_row(start: int) -> str:
    return f"{start},10,12,9,11,1.5,16.5,11.0\n"


def zipped(content: str, name: str = "prices.csv", **more: str) -> bytes:
    """A zip of one file, and of `more` by their names, with '_' for '.'."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
        for other, text in more.items():
            file.writestr(other.replace("_", "."), text)
    return packed.getvalue()
