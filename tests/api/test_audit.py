"""GraphQL over HTTP to the letter, as npm's graphql-http audits it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.serving import Api

AUDITS = 61


@pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")
def test_the_server_passes_every_audit_of_graphql_over_http(api: Api) -> None:
    """To run it: npm install graphql-http graphql in any folder, and set NODE_PATH to its node_modules."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed here")
    found = subprocess.run([node, "-e", "require('graphql-http')"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("npm's graphql-http is not on NODE_PATH")
    script = Path(__file__).with_name("audit.cjs")
    address = str(api.http.base_url.join("/graphql"))
    run = subprocess.run([node, script, address], capture_output=True, check=True, text=True)
    audits = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(audits) >= AUDITS
    assert [audit for audit in audits if audit["status"] != "ok"] == []
