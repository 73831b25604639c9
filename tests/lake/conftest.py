"""The kinds of place that a lake can be at, each a real server or a real disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lake.places import LocalPlace, Place, S3Place, WebHdfsPlace
from tests.lake.s3 import S3Server, s3_server
from tests.lake.webhdfs import NameNode, name_node


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The S3 server, found by this process and those that it starts; no fault outlives the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    moto.asked.clear()
    yield moto
    moto.fault = moto.loss = None


@pytest.fixture
def hdfs() -> Iterator[NameNode]:
    with name_node() as node:
        yield node


@pytest.fixture(params=["local", "s3", "webhdfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return LocalPlace(tmp_path / "my lake é [1] ₿")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        return S3Place(server, server.make_bucket())
    return WebHdfsPlace(request.getfixturevalue("hdfs"), "/a folder/lake é")
