"""The command that serves the API."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import SettingError
from btcql.settings import Settings

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_MEGABYTE = 1 << 20
_MOST_CONNECTIONS = 900  # open at a time, within the usual 1,024 files of a process; of more each is told 503


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default BTCQL_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; by default BTCQL_PORT.")
    ] = None,
    *,
    until_stdin_ends: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Serve the GraphQL API and its pages."""
    import uvicorn

    from btcql.cli.pipeline import migrated
    from database.server import reader_url
    from graphql_api.app import create_app
    from graphql_api.http import Http
    from graphql_api.logs import configure
    from graphql_api.patience import KEEP_ALIVE_SECONDS
    from graphql_api.request import MAX_BODY
    from graphql_api.tracing import collected

    settings = Settings.read()
    settings = replace(
        settings, host=host or settings.host, port_text=str(port) if port else settings.port_text
    )
    require_free_port(settings)
    level = settings.log_level
    if until_stdin_ends and level == "info" and sys.stderr.isatty():
        level = "warning"  # `up` shows its own progress there
    configure(settings.log_format, level)
    with ExitStack() as stack:
        tracing = stack.enter_context(collected()) if settings.traces == "otlp" else None
        # An own server may be down now and up later: the API starts without it. The embedded one is started.
        if not settings.database_url:
            stack.enter_context(migrated(settings))
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(
                    settings,
                    settings.read_database_url or reader_url(settings),
                    tracing=tracing,
                    primary_url=reader_url(settings) if settings.read_database_url else None,
                ),
                host=settings.host,
                port=settings.port,
                http=Http,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                log_config=None,  # as configured above
                access_log=False,  # the API's own says more
                proxy_headers=False,  # BTCQL_TRUSTED_PROXIES says whom to believe
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                ws_max_size=MAX_BODY,
                ws_per_message_deflate=False,  # 300 kB of memory for each connection
            )
        )
        if not until_stdin_ends:
            typer.echo(f"API and playground  http://{settings.host}:{settings.port}/graphql")
            typer.echo("Ctrl-C stops it.")
        else:
            threading.Thread(target=_end_with_stdin, args=[server], daemon=True).start()
        # What the program is made of is never garbage: looking through it only makes all requests wait.
        gc.collect()
        gc.freeze()
        _keep_memory()
        try:
            with suppress(KeyboardInterrupt):  # how a server is ended, once it has answered what it was asked
                server.run()
        finally:
            gc.unfreeze()


def _keep_memory() -> None:
    """Let the C library keep the memory of an answer for the next ones, instead of giving it back each time.

    A long answer takes megabytes for some milliseconds, a good part of them to get each page anew. So up to
    32 MB that are free at the heap's end are kept. The limits are glibc's (mallopt(3)), by itself 128 kB or
    what was freed. An operator's own stand, and other libraries have none.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 16 * _MEGABYTE)
        mallopt(_M_TRIM_THRESHOLD, 32 * _MEGABYTE)


def require_free_port(settings: Settings) -> None:
    """Raise SettingError if the API's address cannot be listened on."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "stop what does, or set BTCQL_HOST or BTCQL_PORT"
        ) from error


def _end_with_stdin(server: object) -> None:
    # `up` holds the other end: should it be killed, its API does not stay behind. Read past Python's own
    # buffer, whose lock this thread would still hold when the process ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True  # type: ignore[attr-defined]
