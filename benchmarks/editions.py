"""The editions of the database that this machine has."""

from __future__ import annotations

from database.binaries import Installation, find_installations

EDITIONS = ("community", "apache", "plain")


def find_editions() -> dict[str, Installation]:
    """Return what serves each edition on this machine; the editions that none serves are left out."""
    found = {}
    for edition in EDITIONS:
        wanted = edition != "plain"
        for installation in find_installations():
            if installation.timescaledb == wanted:
                found[edition] = installation
                break
    return found


def installation(edition: str) -> Installation:
    """Return what serves the edition here; leave if nothing does."""
    found = find_editions()
    if edition not in found:
        known = ", ".join(found)
        raise SystemExit(f"{edition!r} is not an edition that this machine has: it has {known}")
    return found[edition]
