"""The settings: the only reader of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from btcql.access import (
    ANY_ORIGIN,
    SCOPES,
    Access,
    parse_networks,
    parse_origins,
    parse_rate,
    parse_scopes,
)
from btcql.declaration import address, choice, number, setting, tcp_port
from btcql.errors import SettingError
from btcql.masking import without_password, without_secrets

# One loads while the other prepares; more of them wait for the one disk and the one database.
_MOST_WORKERS = 2
_SHOWN = {"notify_text": without_secrets}
_LEVELS = ("debug", "info", "warning", "error")
_POSTGRES = ("postgresql://", "postgres://"), "postgresql://user@host/name"


@dataclass(frozen=True)
class Settings:
    """All settings, as read; the properties give them their types.

    Reading them creates nothing and connects to nothing.
    """

    home_path: str = setting("BTCQL_HOME", "var", "where btcql keeps its data")
    database_url: str = address(
        "BTCQL_DATABASE_URL", "postgresql://... of a server of your own; empty: the embedded one", *_POSTGRES
    )
    reader_url: str = address(
        "BTCQL_READER_URL",
        "the same server for the API, who only reads; empty: BTCQL_DATABASE_URL",
        *_POSTGRES,
    )
    read_database_url: str = address(
        "BTCQL_READ_DATABASE_URL",
        "a standby of it that the API reads in its stead; empty: BTCQL_READER_URL",
        *_POSTGRES,
    )
    admin_url: str = address(
        "BTCQL_ADMIN_URL", "the same server for its superuser: btcql db roles alone", *_POSTGRES
    )
    writer_password_path: str = setting(
        "BTCQL_WRITER_PASSWORD_FILE", "", "what btcql db roles reads; empty: <home>/secrets/writer_password"
    )
    reader_password_path: str = setting(
        "BTCQL_READER_PASSWORD_FILE", "", "what btcql db roles reads; empty: <home>/secrets/reader_password"
    )
    lake_url: str = setting(
        "BTCQL_LAKE",
        "",
        "the raw lake: a folder, s3://bucket/folder, webhdfs://host/folder; empty: <home>/lake",
    )
    engine: str = setting(
        "BTCQL_ENGINE",
        "duckdb",
        "what prepares the months: duckdb, or spark (btcql[spark])",
        {"duckdb", "spark"}.__contains__,
        "is not an engine: give duckdb or spark",
    )
    spark_master: str = setting("BTCQL_SPARK_MASTER", "local[*]", "the Spark that prepares the months")
    pg_bin: str = setting(
        "BTCQL_PG_BIN", "", "folder of the PostgreSQL binaries of the embedded server; empty: found by itself"
    )
    timescaledb_license: str = setting(
        "BTCQL_TIMESCALEDB_LICENSE",
        "timescale",
        "edition of the embedded TimescaleDB: timescale or apache",
        {"timescale", "apache"}.__contains__,
        "is not an edition: give timescale or apache",
    )
    host: str = setting("BTCQL_HOST", "127.0.0.1", "address that the API listens on")
    port_text: str = tcp_port("BTCQL_PORT", "8000", "port that the API listens on")
    export_bars_text: str = setting(
        "BTCQL_EXPORT_BARS",
        "10000000",
        "most bars that one exported file may have",
        number(r"[1-9]\d{0,9}"),
        "is not a number of bars: give 10000000",
    )
    export_spool_path: str = setting(
        "BTCQL_EXPORT_SPOOL",
        "",
        "folder for exports that are read by ranges; empty: <home>/spool",
    )
    export_spool_bytes_text: str = setting(
        "BTCQL_EXPORT_SPOOL_BYTES",
        "1073741824",
        "most bytes of exports that are kept there; 0: none, and no ranges",
        number(r"\d{1,13}"),
        "is no number of bytes: give 1073741824, or 0",
    )
    max_cost_text: str = setting(
        "BTCQL_MAX_COST",
        "250000",
        "most that one query may cost: of its fields, times the bars of each",
        number(r"[1-9]\d{0,11}"),
        "is no cost: give 250000",
    )
    persisted_only: str = setting(
        "BTCQL_PERSISTED_ONLY",
        "",
        "file of the only documents that may run: a .json of them by sha256, or GraphQL; empty: all may",
    )
    anonymous_scopes_text: str = setting(
        "BTCQL_ANONYMOUS_SCOPES",
        ",".join(SCOPES),
        "what may be asked without an API key; empty: nothing, everybody needs one",
    )
    anonymous_rate_text: str = setting(
        "BTCQL_ANONYMOUS_RATE",
        "1000000",
        "cost that an address may ask for in a minute without an API key, or unlimited",
    )
    trusted_proxies_text: str = setting(
        "BTCQL_TRUSTED_PROXIES", "", "addresses and networks whose X-Forwarded-For is believed, by commas"
    )
    origins_text: str = setting(
        "BTCQL_CORS_ORIGINS", ANY_ORIGIN, "web origins whose pages may ask, by commas; *: any"
    )
    introspection_text: str = choice(
        "BTCQL_INTROSPECTION", ("on", "off"), "whether the schema can be asked for: on or off"
    )
    playground_text: str = choice(
        "BTCQL_PLAYGROUND", ("on", "off"), "whether /graphql shows browsers its playground: on or off"
    )
    log_format: str = choice(
        "BTCQL_LOG_FORMAT",
        ("auto", "json", "human"),
        "the API's log: json, human, or auto (human on a terminal)",
    )
    log_level: str = setting(
        "BTCQL_LOG_LEVEL",
        "info",
        "the API's log from: debug, info (a line per request), warning, error",
        _LEVELS.__contains__,
        f"is not one of its values: give {' or '.join(_LEVELS)}",
    )
    traces: str = choice(
        "BTCQL_TRACES",
        ("off", "otlp"),
        "where spans go (btcql[otel]): otlp, to OTEL_EXPORTER_OTLP_ENDPOINT; or off",
    )
    cache_text: str = setting(
        "BTCQL_CACHE_BYTES",
        "67108864",
        "most bytes of answers that the API keeps; 0: it keeps none",
        number(r"\d{1,12}"),
        "is no number of bytes: give 67108864, or 0",
    )
    notify_text: str = setting(
        "BTCQL_NOTIFY",
        "",
        "who is told of failures, recoveries and stale markets: apprise addresses (mailto://, slack://, json://)",
    )
    workers_text: str = setting(
        "BTCQL_WORKERS",
        "",
        "tasks that run at a time, each in a process; empty: as many as cores, at most 2",
        number(r"([1-9]\d?)?"),
        "is not a number of tasks: give 1 to 99",
    )
    luigid_host: str = setting("BTCQL_LUIGID_HOST", "127.0.0.1", "host of luigid")
    luigid_port_text: str = tcp_port("BTCQL_LUIGID_PORT", "8082", "port of luigid, unless this home runs one")
    exchange_url: str = address(
        "BTCQL_EXCHANGE_URL",
        "http://... that stands for all exchanges, as <url>/<exchange>/...; empty: they",
        ("http://", "https://"),
        "http://host:port",
    )
    exchange_patience_text: str = setting(
        "BTCQL_EXCHANGE_PATIENCE",
        "120",
        "most seconds to wait for an exchange that fails, over all its tries",
        str.isdecimal,
        "is no number of seconds: give 120",
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment` (default: the process's own).

        Raises SettingError for a BTCQL_ variable that is not a setting or has no usable value.
        """
        environment = os.environ if environment is None else environment
        by_variable = {f.metadata["variable"]: f.name for f in fields(cls)}
        unknown = sorted(v for v in environment if v.startswith("BTCQL_") and v not in by_variable)
        if unknown:
            known = ", ".join(sorted(by_variable))
            raise SettingError(f"{unknown[0]} is not a setting of btcql; the settings are {known}")
        settings = cls(**{name: environment[v] for v, name in by_variable.items() if v in environment})
        settings._check()
        return settings

    def _check(self) -> None:
        for f in fields(self):
            allowed, value = f.metadata["allowed"], getattr(self, f.name)
            if allowed is not None and not allowed(value):
                raise SettingError(
                    f"{f.metadata['variable']}={_shown(f.name, value)!r} {f.metadata['wrong']}"
                )
        for variable, url in (
            ("BTCQL_READER_URL", self.reader_url),
            ("BTCQL_READ_DATABASE_URL", self.read_database_url),
        ):
            if url and not self.database_url:
                raise SettingError(
                    f"{variable}={without_password(url)!r} is of a server of your own: "
                    "set its BTCQL_DATABASE_URL too, or neither"
                )
        _ = self.access  # what is wrong with it is said at once

    @property
    def home(self) -> Path:
        """The folder of btcql's data, absolute."""
        return Path(self.home_path).expanduser().absolute()

    @property
    def port(self) -> int:
        """The API's port."""
        return int(self.port_text)

    @property
    def export_bars(self) -> int:
        """How many bars one exported file may have."""
        return int(self.export_bars_text)

    @property
    def export_spool(self) -> Path:
        """Where exports are kept that are read by ranges."""
        return Path(self.export_spool_path or self.home / "spool").expanduser().absolute()

    @property
    def export_spool_bytes(self) -> int:
        """How many bytes of exports are kept."""
        return int(self.export_spool_bytes_text)

    @property
    def max_cost(self) -> int:
        """The most that one query may cost."""
        return int(self.max_cost_text)

    @property
    def access(self) -> Access:
        """Who may ask the API, and what."""
        return Access(
            parse_scopes(self.anonymous_scopes_text, "BTCQL_ANONYMOUS_SCOPES"),
            parse_rate(self.anonymous_rate_text, "BTCQL_ANONYMOUS_RATE"),
            parse_networks(self.trusted_proxies_text, "BTCQL_TRUSTED_PROXIES"),
            parse_origins(self.origins_text, "BTCQL_CORS_ORIGINS"),
        )

    @property
    def introspection(self) -> bool:
        """Whether the schema can be asked for."""
        return self.introspection_text == "on"

    @property
    def playground(self) -> bool:
        """Whether browsers are shown the playground."""
        return self.playground_text == "on"

    @property
    def cache_bytes(self) -> int:
        """How many bytes of answers the API keeps."""
        return int(self.cache_text)

    @property
    def luigid_port(self) -> int:
        """Luigid's port."""
        return int(self.luigid_port_text)

    @property
    def notify(self) -> list[str]:
        """The addresses of those who are told: they may hold secrets."""
        return [
            address for address in re.split(r"[\s,]+(?=\w+://)|\s+", self.notify_text.strip(" ,")) if address
        ]

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        return int(self.workers_text) if self.workers_text else min(_MOST_WORKERS, os.cpu_count() or 1)

    @property
    def exchange_patience(self) -> int:
        """How long a failing exchange is asked again, in seconds of waiting."""
        return int(self.exchange_patience_text)

    @property
    def visualiser_url(self) -> str:
        """Where luigid shows its tasks."""
        return visualiser_of(self.luigid_host, self.luigid_port)

    @property
    def lake(self) -> str:
        """The lake's root: a path or an fsspec address."""
        return self.lake_url or str(self.home / "lake")

    @property
    def writer_password_file(self) -> Path:
        """The file that holds the writer's password on a server of one's own."""
        return Path(self.writer_password_path or self.home / "secrets" / "writer_password").absolute()

    @property
    def reader_password_file(self) -> Path:
        """The file that holds the reader's password on a server of one's own."""
        return Path(self.reader_password_path or self.home / "secrets" / "reader_password").absolute()

    def described(self) -> list[tuple[str, str, str]]:
        """Each setting as (variable, value in force, meaning)."""
        return [
            (f.metadata["variable"], _shown(f.name, getattr(self, f.name)), f.metadata["meaning"])
            for f in fields(self)
        ]


def visualiser_of(host: str, port: int) -> str:
    """Return the address of the page of the luigid that listens there."""
    return f"http://{host}:{port}/static/visualiser/index.html"


def _shown(name: str, value: str) -> str:
    return _SHOWN.get(name, without_password)(value)
