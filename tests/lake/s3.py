"""An S3 server for the tests: moto's, over real HTTP, one request at a time, with faults to be set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Environ = dict[str, Any]
# From a request to the answer that takes the place of the store's, None for the store's own.
Fault = Callable[[Environ], tuple[str, str] | None]
REGION = "us-east-1"
_numbers = count(1)


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        pass


@dataclass
class S3Server:
    """Where it answers, what was asked of it as (method, path with query), and its faults, if any.

    `fault` answers instead of the store; `loss` takes the place of its answer after it did what was asked.
    """

    url: str = ""
    fault: Fault | None = None
    loss: Fault | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def variables(self) -> dict[str, str]:
        """The environment in which AWS clients find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "2",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @cached_property
    def client(self) -> Any:
        """A client of another make than the lake's; one for all, for it takes long to make."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}),
        )

    def make_bucket(self) -> str:
        """Make a bucket of its own for one test, and return its name."""
        name = f"lake-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return name


def error(status: str, code: str, message: str) -> tuple[str, str]:
    """An answer of S3 that is a refusal."""
    return status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    store: Any = DomainDispatcherApplication(create_backend_app)
    known = S3Server()
    one_by_one = threading.Lock()  # the store's conditions hold between requests only so

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING")
        known.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"] + (f"?{query}" if query else "")))
        refusal = known.fault(environ) if known.fault else None
        if refusal is None:
            refusal = known.loss(environ) if known.loss else None
            with one_by_one:
                answer = list(store(environ, start_response if refusal is None else lambda *_: None))
            if refusal is None:
                return answer
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = refusal
        content = body.encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))])
        return [content]

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    known.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.client.close()
        server.shutdown()
        thread.join()
        server.server_close()
