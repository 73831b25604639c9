"""How the pages and their files are served: safely, compressed, and not twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from graphql_api import pages
from graphql_api.schema import printed
from tests.api.serving import Api, serving
from tests.conftest import fresh_database

WEB = Path(__file__).parents[2] / "web" / "src"
QUERIES = sorted(WEB.rglob("*.graphql"))
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ADDRESSES = ("/", "/pipeline", "/graphql", "/graphql?query=%7B__typename%7D")


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: str(path.relative_to(WEB)))
def test_what_the_pages_ask_is_what_the_schema_answers(path: Path) -> None:
    assert validate(build_schema(printed()), parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_loads_from_its_own_server_alone(site: Api, address: str) -> None:
    response = site.http.get(address, headers=BROWSER)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in policy.get("script-src", "")
    assert "<script>" not in response.text
    # a link to elsewhere loads nothing
    loaded = re.findall(r'<(?!a )[^>]*(?:src|href)="([^"]+)"', response.text)
    assert len(loaded) >= 3
    assert all(re.match(r"/(?!/)", part) for part in loaded)


@pytest.mark.parametrize("address", ADDRESSES[:3])
def test_a_page_that_a_browser_has_is_not_sent_again(site: Api, address: str) -> None:
    first = site.http.get(address, headers=BROWSER)
    assert first.headers["cache-control"] == "no-cache"
    again = site.http.get(address, headers={**BROWSER, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def scripts(site: Api) -> list[str]:
    return re.findall(r'src="(/static/[^"]+\.js)"', site.http.get("/").text)


def test_the_pages_files_are_kept_for_good_and_come_compressed(site: Api) -> None:
    (script,) = scripts(site)
    plain = site.http.get(script, headers={"accept-encoding": "identity"})
    small = site.http.get(script, headers={"accept-encoding": "gzip, br"})
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"]
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"])
    assert small.content == plain.content
    assert small.headers["etag"] != plain.headers["etag"]
    for answer, encoding in ((plain, "identity"), (small, "gzip")):
        again = site.http.get(
            script, headers={"accept-encoding": encoding, "if-none-match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")


def test_the_charts_files_are_small(site: Api) -> None:
    """All that the chart loads, as it is sent: less than 300 KB."""
    page = site.http.get("/", headers=BROWSER)
    names = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    for name in [name for name in names if name.endswith(".js")]:  # what a script imports comes too
        names |= {f"/static/{part}" for part in re.findall(r'"\./([\w.-]+\.js)"', site.http.get(name).text)}
    sizes = {name: int(site.http.get(name).headers["content-length"]) for name in names}
    assert 50_000 < sum(sizes.values()) < 300_000, sizes


@pytest.mark.parametrize(
    "name", ["chart.html", "nothing.js", "..%2Fschema.graphql", "%2e%2e%2fpages.py", "%2Fetc%2Fpasswd"]
)
def test_nothing_but_the_pages_files_is_served(site: Api, name: str) -> None:
    assert site.http.get(f"/static/{name}").status_code == 404


def test_without_a_build_each_page_says_how_to_get_it(
    start_server: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path / "static")
    with fresh_database(start_server("plain"), "plain") as fresh, serving(fresh.url) as api:
        for address in ADDRESSES:
            answer = api.http.get(address, headers=BROWSER)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert "<code>make pages</code>" in answer.text
            assert "Node.js" in answer.text
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert api.http.get("/static/chart.js").status_code == 404
        assert api.ask("{ markets { symbol } }") == {"markets": []}
