"""HDFS by HTTP: the operations of its REST API that the lake needs, each answer looked at.

The connection is fsspec's, with its ways to say who one is: webhdfs://user@host:port, or by fsspec's own
configuration (FSSPEC_WEBHDFS_KERBEROS, FSSPEC_WEBHDFS_TOKEN, FSSPEC_WEBHDFS_USE_HTTPS). The requests are not:
fsspec's overwrite what is there, and take a refused rename or an error page for success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from lake.hdfs import Entry

_PORT = 9870
_TIMEOUTS = (10, 60)  # seconds: to connect, and between bytes
_PIECE = 1 << 20
_TRIES = 4
_UNKNOWN, _FORBIDDEN, _FAILING = 401, 403, 500
_NOT_ALLOWED = {"AccessControlException", "SecurityException"}


class _AnswerError(OSError):
    """An answer that is an error, with its HTTP status and the name of Hadoop's exception."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        try:
            said = response.json()["RemoteException"]
            self.exception, message = str(said["exception"]), str(said["message"]).partition("\n")[0]
        except (ValueError, KeyError, TypeError):
            self.exception, message = "", response.reason
        super().__init__(f"HDFS says {self.status} {self.exception}, {message}".replace(" ,", ","))


class WebHdfs:
    """One name node's REST API, as one user. Paths are absolute; every failure is an OSError."""

    def __init__(self, url: str, session: requests.Session, parameters: dict[str, str]) -> None:
        self._url, self._session, self._parameters = url, session, parameters

    @classmethod
    def at(cls, address: str) -> WebHdfs:
        """Return the API of webhdfs://[user[:password]@]host[:port]; nothing is asked yet."""
        import fsspec  # noqa: PLC0415 - slow to import

        place = urlsplit(address)
        who = {"user": place.username, "password": place.password}
        known: Any = fsspec.filesystem(
            "webhdfs",
            host=place.hostname or "localhost",
            port=place.port or _PORT,
            skip_instance_cache=True,
            **{key: value for key, value in who.items() if value},
        )
        return cls(known.url, known.session, dict(known.pars))

    def status(self, path: str) -> Entry | None:
        """Return what is there, None when nothing is."""
        try:
            found = self._ask("GET", "GETFILESTATUS", path).json()["FileStatus"]
        except FileNotFoundError:
            return None
        return _entry(found)

    def entries(self, path: str) -> list[Entry]:
        """Return what is in a folder; empty when it is not there or is a file."""
        try:
            found = self._ask("GET", "LISTSTATUS", path).json()["FileStatuses"]["FileStatus"]
        except FileNotFoundError:
            return []
        return [_entry(status) for status in found if status["pathSuffix"]]

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes piece by piece; a connection that breaks is taken up where it broke."""
        offset, broken = 0, 0
        while True:
            with self._ask("GET", "OPEN", path, stream=True, offset=str(offset)) as response:
                try:
                    for piece in response.iter_content(_PIECE):
                        offset += len(piece)
                        yield piece
                except requests.RequestException:
                    broken += 1
                    if broken == _TRIES:
                        raise
                else:
                    return

    def create(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file that is not there yet: the name node says to which data node."""
        answer = self._ask("PUT", "CREATE", path, overwrite="false", allow_redirects=False)
        place = answer.headers.get("Location")
        if not place:
            raise OSError("HDFS names no data node to write to")
        with self._session.put(
            place, data=pieces, headers={"Content-Type": "application/octet-stream"}, timeout=_TIMEOUTS
        ) as written:
            _check(written)

    def rename(self, old: str, new: str) -> bool:
        """Rename a file, with the folders above its new name; return whether, False where there is one."""
        self._ask("PUT", "MKDIRS", new.rpartition("/")[0])
        for tried in range(_TRIES):
            try:
                return bool(self._ask_once("PUT", "RENAME", old, destination=new).json()["boolean"])
            except OSError as error:
                # The answer may be lost though it was done. Nobody else knows the old name.
                if self.status(old) is None:
                    return True
                if tried + 1 == _TRIES or not _may_pass(error):
                    raise
        raise AssertionError

    def delete(self, path: str) -> None:
        """Remove a file or an empty folder; nothing happens when it is not there."""
        self._ask("DELETE", "DELETE", path, recursive="false")

    def _ask(self, method: str, operation: str, path: str, **options: Any) -> requests.Response:
        """Do one request, again after failures that may pass, for operations that may be done twice."""
        for attempt in Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            reraise=True,
        ):
            with attempt:
                return self._ask_once(method, operation, path, **options)
        raise AssertionError

    def _ask_once(
        self,
        method: str,
        operation: str,
        path: str,
        *,
        stream: bool = False,
        allow_redirects: bool = True,
        **parameters: str,
    ) -> requests.Response:
        response = self._session.request(
            method,
            self._url + quote(path),
            params={"op": operation, **parameters, **self._parameters},
            timeout=_TIMEOUTS,
            stream=stream,
            allow_redirects=allow_redirects,
        )
        _check(response)
        return response


def _check(response: requests.Response) -> None:
    if response.status_code < 400:  # noqa: PLR2004 - the first of HTTP's errors
        return
    with response:
        error = _AnswerError(response)
    if error.exception == "FileNotFoundException":
        raise FileNotFoundError(str(error)) from error
    forbidden = not error.exception and error.status == _FORBIDDEN
    if forbidden or error.status == _UNKNOWN or error.exception in _NOT_ALLOWED:
        raise PermissionError(str(error)) from error
    raise error


def _may_pass(error: BaseException) -> bool:
    """Whether a failure may be gone in a moment: no answer, an overloaded node, a name node on standby."""
    if isinstance(error, _AnswerError):
        return error.status >= _FAILING or error.exception == "StandbyException"
    return isinstance(error, requests.RequestException)


def _entry(status: dict[str, Any]) -> Entry:
    return Entry(
        name=status["pathSuffix"],
        is_file=status["type"] == "FILE",
        size=int(status["length"]),
        changed_at=status["modificationTime"] / 1000,
    )
