"""Places of a lake, looked at and tampered with past the lake: by another client."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tests.lake.s3 import S3Server
from tests.lake.webhdfs import NameNode


class Place(Protocol):
    """A place of a lake and what is in it, by the names below the lake's root.

    `address` is as the lake shows it, `given` as it is told: with the user.
    """

    @property
    def address(self) -> str: ...

    @property
    def given(self) -> str: ...

    def contents(self) -> dict[str, bytes]: ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


class LocalPlace:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = self.given = str(folder)

    def contents(self) -> dict[str, bytes]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        names = {path.relative_to(self._folder).as_posix(): path for path in files}
        return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".lock/")}

    def write(self, name: str, content: bytes) -> None:
        (self._folder / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()


class S3Place:
    PREFIX = "a folder/é [1]"

    def __init__(self, server: S3Server, bucket: str) -> None:
        self._server = server
        self._bucket = bucket
        self.address = self.given = f"s3://{bucket}/{self.PREFIX}"

    def contents(self) -> dict[str, bytes]:
        listed = self._server.client.list_objects_v2(Bucket=self._bucket).get("Contents", [])
        return {item["Key"].removeprefix(f"{self.PREFIX}/"): self._read(item["Key"]) for item in listed}

    def _read(self, key: str) -> bytes:
        with self._server.client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
            content: bytes = body.read()
            return content

    def write(self, name: str, content: bytes) -> None:
        self._server.client.put_object(Bucket=self._bucket, Key=f"{self.PREFIX}/{name}", Body=content)

    def remove(self, name: str) -> None:
        self._server.client.delete_object(Bucket=self._bucket, Key=f"{self.PREFIX}/{name}")


class WebHdfsPlace:
    def __init__(self, node: NameNode, folder: str) -> None:
        self._node = node
        self._folder = folder
        self.address = f"{node.url.replace('http://', 'webhdfs://')}{folder}"
        self.given = self.address.replace("://", "://test@")

    def contents(self) -> dict[str, bytes]:
        inside = f"{self._folder}/"
        files = dict(self._node.files)
        return {path.removeprefix(inside): files[path] for path in files if path.startswith(inside)}

    def write(self, name: str, content: bytes) -> None:
        self._node.files[f"{self._folder}/{name}"] = content

    def remove(self, name: str) -> None:
        del self._node.files[f"{self._folder}/{name}"]
