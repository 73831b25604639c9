"""Requests to one S3 bucket, by s3fs, below one prefix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from btcql.errors import LakeError
from lake.refusal import refused_by, translated

CONNECTIONS = 16
_READS = 5  # of one body: the head of an answer is asked for again by the client, its body here


class Bucket:
    """A bucket as one process asks it; no request is made before it is asked something.

    Credentials, region, endpoint and retries come the usual AWS ways: the environment (AWS_ENDPOINT_URL
    for other stores, AWS_MAX_ATTEMPTS), ~/.aws, the machine's role. Names are without the prefix.
    """

    def __init__(self, address: str) -> None:
        try:
            self._fs = _file_system(os.getpid())
        except ImportError as error:
            raise LakeError(
                f"{address} needs s3fs, which is not installed: pip install 'btcql[s3]' ({error})"
            ) from error
        self._name, prefix, _ = self._fs.split_path(address)
        if not self._name:
            raise LakeError(f"{address} names no bucket: give s3://bucket or s3://bucket/folder")
        prefix = prefix.strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.root = f"s3://{self._name}/{prefix}".rstrip("/")

    def listed(self, prefix: str, **options: Any) -> Iterator[tuple[str, str]]:
        """Yield the (name, ETag) of what lies below a prefix; with a delimiter its folders, ending in '/'."""
        page: dict[str, Any] = {}
        with translated():
            while True:
                answer = self.call("list_objects_v2", None, Prefix=self.prefix + prefix, **options, **page)
                for item in answer.get("Contents", []):
                    yield item["Key"].removeprefix(self.prefix), item["ETag"]
                for item in answer.get("CommonPrefixes", []):
                    yield item["Prefix"].removeprefix(self.prefix), ""
                if not answer.get("IsTruncated"):
                    return
                page = {"ContinuationToken": answer["NextContinuationToken"]}

    def get(self, name: str, **options: Any) -> tuple[bytes, dict[str, Any]]:
        """Return an object's bytes, or a range of them, and the answer's other fields."""
        for left in reversed(range(_READS)):
            answer = self.call("get_object", name, **options)
            try:
                return self._body(answer["Body"]), answer
            except Exception as error:
                if not left:
                    raise refused_by(error, f"{self.root}/{name}") from error
        raise AssertionError

    def _body(self, body: Any) -> bytes:
        from fsspec.asyn import sync  # noqa: PLC0415 - comes with the extra's filesystem

        async def whole() -> bytes:
            async with body:
                return bytes(await body.read())

        return bytes(sync(self._fs.loop, whole))

    def call(self, operation: str, name: str | None, **options: Any) -> dict[str, Any]:
        """Do one request of the S3 API; raises Refused."""
        key = {} if name is None else {"Key": self.prefix + name}
        try:
            answer: dict[str, Any] = self._fs.call_s3(operation, Bucket=self._name, **key, **options)
        except Exception as error:
            raise refused_by(error, f"{self.root}/{name or ''}") from error
        return answer


@cache
def _file_system(process: int) -> Any:  # noqa: ARG001 - its connections and its thread die in a fork
    """Return this process's client of S3: to make one takes half a second."""
    import s3fs  # noqa: PLC0415 - an extra

    made = s3fs.S3FileSystem(
        skip_instance_cache=True,
        use_listings_cache=False,
        config_kwargs={"max_pool_connections": CONNECTIONS},
    )
    made.retries = 1  # on top of the client's own: each failure would be tried 25 times
    return made
