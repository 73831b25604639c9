"""A name node and a data node of HDFS as they answer over HTTP: the part of WebHDFS that the lake speaks.

After Hadoop's documentation of its REST API: errors are RemoteExceptions, CREATE and OPEN send to a data
node, RENAME takes no other file's place and says so by false, with a folder as its target moves into it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

API, DATA = "/webhdfs/v1", "/data-node"
Refusal = tuple[int, str, str]  # HTTP status, Hadoop's exception, its message
Fault = Callable[[str, str], Refusal | None]  # from an operation and a path


@dataclass
class NameNode:
    """The files of one cluster, all that was asked as (operation, path), and its faults, if any.

    `fault` refuses a request, `loss` its answer after it was done; `cut` breaks that many readings in half.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/"})
    changed: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault | None = None
    loss: Fault | None = None
    cut: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def status(self, path: str) -> dict[str, Any] | None:
        if path not in self.files and path not in self.folders:
            return None
        is_file = path in self.files
        return {
            "pathSuffix": "",
            "type": "FILE" if is_file else "DIRECTORY",
            "length": len(self.files[path]) if is_file else 0,
            "modificationTime": int(self.changed.get(path, 0) * 1000),
            "owner": "dr.who",
            "permission": "644",
        }

    def listed(self, path: str) -> list[dict[str, Any]] | None:
        if path in self.files:
            return [self.status(path) or {}]
        if path not in self.folders:
            return None
        own = [p for p in (*self.files, *self.folders) if p != "/" and str(PurePosixPath(p).parent) == path]
        return [{**(self.status(p) or {}), "pathSuffix": PurePosixPath(p).name} for p in sorted(own)]

    def make_folder(self, path: str) -> bool:
        parts = [str(part) for part in (PurePosixPath(path), *PurePosixPath(path).parents)]
        if any(part in self.files for part in parts):
            return False
        self.folders.update(parts)
        return True

    def put(self, path: str, content: bytes) -> None:
        self.make_folder(str(PurePosixPath(path).parent))
        self.files[path], self.changed[path] = content, time.time()

    def rename(self, old: str, new: str) -> bool:
        if new in self.folders:
            new = f"{new}/{PurePosixPath(old).name}"
        if old not in self.files or new in self.files or str(PurePosixPath(new).parent) not in self.folders:
            return False
        self.files[new], self.changed[new] = self.files.pop(old), self.changed.pop(old)
        return True

    def delete(self, path: str) -> bool | None:
        """Return whether it was there; None for a folder that is not empty."""
        if path in self.files:
            del self.files[path]
            return True
        if path not in self.folders:
            return False
        if self.listed(path):
            return None
        self.folders.discard(path)
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    node: NameNode

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        place = urlsplit(self.path)
        path, query = unquote(place.path), dict(parse_qsl(place.query))
        content = self._body()
        at_data_node = path.startswith(DATA)
        path = path.removeprefix(DATA if at_data_node else API)
        operation = query["op"] + (" data" if at_data_node else "")
        assert self.command == {"OPEN": "GET", "GETFILESTATUS": "GET", "LISTSTATUS": "GET"}.get(
            query["op"], "DELETE" if query["op"] == "DELETE" else "PUT"
        )
        assert query.get("user.name") == "test"
        self.node.asked.append((operation, path))
        refusal = self.node.fault(operation, path) if self.node.fault else None
        loss = self.node.loss(operation, path) if self.node.loss and not refusal else None
        if refusal:
            self._refuse(*refusal)
            return
        with self.node.lock:
            answer = getattr(self, f"_{operation.lower().replace(' ', '_')}")(path, query, content)
        if loss:
            self._refuse(*loss)
        else:
            answer()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _getfilestatus(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        status = self.node.status(path)
        return self._missing(path) if status is None else self._json({"FileStatus": status})

    def _liststatus(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        listed = self.node.listed(path)
        return self._missing(path) if listed is None else self._json({"FileStatuses": {"FileStatus": listed}})

    def _mkdirs(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        return self._json({"boolean": self.node.make_folder(path)})

    def _rename(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        return self._json({"boolean": self.node.rename(path, query["destination"])})

    def _delete(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        deleted = self.node.delete(path)
        if deleted is None:
            return lambda: self._refuse(403, "PathIsNotEmptyDirectoryException", f"{path} is non empty")
        return self._json({"boolean": deleted})

    def _create(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        assert not content, "bytes go to the data node"
        return self._to_data_node()

    def _create_data(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        if path in self.node.files and query.get("overwrite") != "true":
            return lambda: self._refuse(403, "FileAlreadyExistsException", f"{path} already exists")
        self.node.put(path, content)
        return lambda: self._send(201, b"")

    def _open(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        return self._to_data_node() if path in self.node.files else self._missing(path)

    def _open_data(self, path: str, query: dict[str, str], content: bytes) -> Callable[[], None]:
        found = self.node.files[path][int(query.get("offset", 0)) :]
        cut, self.node.cut = self.node.cut > 0, max(self.node.cut - 1, 0)
        return lambda: self._send(200, found, cut=cut)

    def _to_data_node(self) -> Callable[[], None]:
        place = f"{self.node.url}{self.path.replace(API, DATA, 1)}"
        return lambda: self._send(307, b"", Location=place)

    def _missing(self, path: str) -> Callable[[], None]:
        return lambda: self._refuse(404, "FileNotFoundException", f"File does not exist: {path}")

    def _refuse(self, status: int, exception: str, message: str) -> None:
        said = {"exception": exception, "javaClassName": f"org.apache.hadoop.{exception}", "message": message}
        self._send(status, json.dumps({"RemoteException": said}).encode())

    def _json(self, content: object) -> Callable[[], None]:
        return lambda: self._send(200, json.dumps(content).encode())

    def _send(self, status: int, body: bytes, *, cut: bool = False, **headers: str) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def name_node() -> Iterator[NameNode]:
    node = NameNode()
    handler = type("Handler", (_Handler,), {"node": node})
    with _Server(("127.0.0.1", 0), handler) as server:
        node.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield node
        finally:
            server.shutdown()
            thread.join()
