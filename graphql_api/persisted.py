"""Documents by hash: Apollo's automatic persisted queries, or an operator's list of all that may run."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import orjson
from graphql import print_ast, separate_operations

from btcql.errors import QueryError, SettingError
from graphql_api.executor import DocumentError, Executor, Operation
from graphql_api.recent import Recent
from graphql_api.request import GraphQLRequest

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KEPT_LENGTH = 4_000_000  # characters of all the documents that clients have left here
_JUDGED = 256  # documents that were compared with the list before


class Documents(Protocol):
    """Which document a request means, and whether it may run."""

    def text_of(self, asked: GraphQLRequest) -> str:
        """Return the document; raises QueryError."""

    def check(self, operation: Operation) -> None:
        """Raise QueryError (FORBIDDEN) for an operation that may not run."""


class AutomaticDocuments:
    """Any document; those that came with their hash are kept, and known by it from then on."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._length = 0

    def text_of(self, asked: GraphQLRequest) -> str:
        """Return the document; raises QueryError (BAD_USER_INPUT, PERSISTED_QUERY_NOT_FOUND)."""
        digest = read_hash(asked.extensions)
        if digest is None:
            assert asked.query is not None  # else there is a hash: the request has been read
            return asked.query
        if asked.query is None:
            if (text := self._texts.get(digest)) is None:
                raise not_found(digest)
            self._texts.move_to_end(digest)
            return text
        if hash_of(asked.query) != digest:
            raise QueryError("BAD_USER_INPUT", f"sha256Hash {digest} is not that of the query")
        self._keep(digest, asked.query)
        return asked.query

    def check(self, operation: Operation) -> None:
        """Let all run."""

    def _keep(self, digest: str, text: str) -> None:
        if digest in self._texts:
            return
        self._texts[digest] = text
        self._length += len(text)
        while self._length > _KEPT_LENGTH:
            self._length -= len(self._texts.popitem(last=False)[1])


class ListedDocuments:
    """Only the documents of a list, by text or by hash; how they are laid out does not matter."""

    def __init__(self, texts: Mapping[str, str], executor: Executor) -> None:
        """Take `texts` by their hashes; raises DocumentError for one that is not fit to run."""
        self._texts = dict(texts)
        self._listed = {print_ast(executor.document(text)) for text in texts.values()}
        self._judged: Recent[str, bool] = Recent(_JUDGED)

    def text_of(self, asked: GraphQLRequest) -> str:
        """Return the document; raises QueryError (BAD_USER_INPUT, PERSISTED_QUERY_NOT_FOUND)."""
        if asked.query is not None:
            return asked.query
        digest = read_hash(asked.extensions)
        assert digest is not None  # else there is a query: the request has been read
        if digest not in self._texts:
            raise not_found(digest)
        return self._texts[digest]

    def check(self, operation: Operation) -> None:
        """Raise QueryError (FORBIDDEN) unless the operation's document is listed."""
        listed = self._judged.get(operation.text)
        if listed is None:
            listed = print_ast(operation.document) in self._listed
            self._judged.keep(operation.text, listed)
        if not listed:
            name = f"the operation {operation.name}" if operation.name else "this document"
            raise QueryError(
                "FORBIDDEN", f"{name} is not on the list of documents that this server's operator lets run"
            )


def read_documents(path: str, executor: Executor) -> ListedDocuments:
    """Return the list in a file: a .json of documents by their sha256, or else one GraphQL document.

    Of a GraphQL document each operation is listed, with the fragments that it uses, by the hash of its
    text as graphql's own printer writes it. Raises SettingError naming what in the file is wrong.
    """
    place = f"BTCQL_PERSISTED_ONLY={path!r}"
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SettingError(f"{place} cannot be read: {error.strerror}") from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise SettingError(f"{place} is not in UTF-8: {error.reason} at byte {error.start}") from None
    try:
        texts = _from_json(text) if path.endswith(".json") else _from_graphql(text, executor)
        documents = ListedDocuments(texts, executor)
    except DocumentError as error:
        raise SettingError(f"{place}: {error.errors[0]}") from None
    except (TypeError, ValueError) as error:
        raise SettingError(f"{place}: {error}") from None
    if not texts:
        raise SettingError(f"{place} lists no document")
    return documents


def read_hash(extensions: Mapping[str, Any] | None) -> str | None:
    """Return the hash that a request gives, None if it gives none; raises QueryError (BAD_USER_INPUT)."""
    given = (extensions or {}).get("persistedQuery")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise QueryError("BAD_USER_INPUT", "`extensions.persistedQuery` must be a JSON object")
    version, digest = given.get("version"), given.get("sha256Hash")
    if version != 1 or isinstance(version, bool):
        raise QueryError("BAD_USER_INPUT", f"persistedQuery.version {version!r:.40} is not known: give 1")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise QueryError(
            "BAD_USER_INPUT",
            f"persistedQuery.sha256Hash {digest!r:.80} is no hash: give 64 hexadecimal digits in lower case",
        )
    return digest


def hash_of(text: str) -> str:
    """Return the document's hash as clients know it."""
    return sha256(text.encode()).hexdigest()


def not_found(digest: str) -> QueryError:
    """Return the error that tells a client to send the document too, in the protocol's own words."""
    return QueryError("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound", sha256Hash=digest)


def _from_json(text: str) -> dict[str, str]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise TypeError("it is not a JSON object of documents by their sha256")
    for digest, document in found.items():
        if not isinstance(document, str):
            raise TypeError(f"{digest!r} is not the hash of a document: give its text")
        if hash_of(document) != digest:
            raise ValueError(f"{digest!r} is not its document's sha256: that is {hash_of(document)}")
    return found


def _from_graphql(text: str, executor: Executor) -> dict[str, str]:
    operations = separate_operations(executor.document(text))
    texts = [print_ast(document) for document in operations.values()]
    return {hash_of(text): text for text in texts}
