"""What an S3 store or the way to it said no with, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from btcql.errors import LakeError

_CREDENTIALS = "check the credentials (AWS_ACCESS_KEY_ID and its kin, or AWS_PROFILE) and the bucket's policy"
_LATER = "it was tried as often as AWS_MAX_ATTEMPTS says: run it again later; nothing half-published was left"
_FORBIDDEN = 403
_MISSING = 404
_LOST = {409, 412}
_FAILING = 500


class Refused(Exception):  # noqa: N818 - it is translated before anyone sees it
    """A request that was not done; `error` is what it is to a person."""

    def __init__(self, what: str, status: int, code: str, *, said: str, retried: bool) -> None:
        self.status, self.code, self.retried = status, code, retried
        self.error = LakeError(f"{what}: {said}: {_way_out(status, code)}")
        super().__init__(str(self.error))

    @property
    def is_missing_object(self) -> bool:
        """Whether there is no such object, in a bucket that is there as far as the answer tells."""
        return self.status == _MISSING and self.code != "NoSuchBucket"

    @property
    def is_lost(self) -> bool:
        """Whether the condition of a PUT did not hold: another writer was there."""
        return self.status in _LOST


def refused_by(error: Exception, what: str) -> Refused:
    """Tell what went wrong while `what` was asked for: the store's answer, or none that could be had."""
    response: dict[str, Any] = (
        getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    )
    if not response:
        name = type(error).__name__
        return Refused(what, 0, name, said=f"{name}: {error}", retried=False)
    code = str(response["Error"].get("Code", ""))
    about = response.get("ResponseMetadata", {})
    said = response["Error"].get("Message") or str(error)
    return Refused(
        what,
        int(about.get("HTTPStatusCode", 0)),
        code,
        said=f"the store says {code}, {said.rstrip('.')}",
        retried=bool(about.get("RetryAttempts")),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raise what was refused as the LakeError that it is."""
    try:
        yield
    except Refused as refused:
        raise refused.error from refused


def _way_out(status: int, code: str) -> str:
    if code == "NoSuchBucket":
        return "make the bucket, or set BTCQL_LAKE to one that is there"
    if code in {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"} or status == _FORBIDDEN:
        return _CREDENTIALS
    if status >= _FAILING or code in {"SlowDown", "RequestTimeout"}:
        return _LATER
    if not status:
        return "check AWS_ENDPOINT_URL and the network, then run it again; nothing half-published was left"
    return "see to it and run it again; nothing half-published was left"
