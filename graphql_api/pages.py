"""The pages for browsers: the chart, the playground and the pipeline, as web/ builds them into static/."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from graphql_api.delivery import has_tag, takes_gzip

STATIC = Path(__file__).with_name("static")

# The pages load what this server has and ask it, and nobody else.
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# What a page cannot do without beyond that, and why.
_EXCEPTIONS: dict[str, str] = {
    # Monaco, the editor, writes its colours into <style> elements of its own, and underlines mistakes with a
    # picture that stands in them; no script is let in by either.
    "playground": "style-src 'self' 'unsafe-inline'; img-src 'self' data:",
}
_HEADERS = {"cache-control": "no-cache", "vary": "accept"}
# A file's name has its content's hash: what it holds never changes.
_FOR_GOOD = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
}
_NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>btcql</title></head>
<body>
<h1>btcql's pages are not built</h1>
<p>The API answers all the same, at <code>/graphql</code>. To get the chart, the playground and the page of
the pipeline, install Node.js 18 or newer with npm, run <code>make pages</code> in btcql's folder, and start
the server again. A wheel or an image that was built with Node.js has them already.</p>
</body>
</html>
"""


class Page:
    """One page, as it was built when the server started."""

    def __init__(self, name: str) -> None:
        self._headers = dict(_HEADERS)
        try:
            self._html = (STATIC / f"{name}.html").read_bytes()
        except FileNotFoundError:
            self._html, self._status = _NOT_BUILT.encode(), 503
            return
        self._status = 200
        exception = _EXCEPTIONS.get(name)
        self._headers["content-security-policy"] = f"{_POLICY}; {exception}" if exception else _POLICY
        self._headers["etag"] = f'"{blake2b(self._html, digest_size=16).hexdigest()}"'

    async def show(self, request: Request) -> Response:
        """Answer with the page, or with 304 where the browser has it."""
        tag = self._headers.get("etag")
        if tag and has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=self._headers)
        return HTMLResponse(self._html, self._status, self._headers)


class Files:
    """The files that the pages are made of, by their names."""

    def __init__(self) -> None:
        found = {path.name for path in STATIC.iterdir()} if STATIC.is_dir() else set()
        self._compressed = {name for name in found if f"{name}.gz" in found}
        self._types = {name: _TYPES[suffix] for name in found if (suffix := Path(name).suffix) in _TYPES}

    async def send(self, request: Request) -> Response:
        """Answer with a file, compressed where the browser takes it, or with 304 where it has it."""
        name = request.path_params["name"]
        kind = self._types.get(name)
        if kind is None:
            return PlainTextResponse("there is no such file\n", 404, {"cache-control": "no-store"})
        compressed = name in self._compressed and takes_gzip(request.headers.get("accept-encoding", ""))
        headers = {
            "cache-control": _FOR_GOOD,
            "etag": f'"{name}{".gz" if compressed else ""}"',
            "vary": "accept-encoding",
        }
        if has_tag(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=304, headers=headers)
        if compressed:
            headers["content-encoding"] = "gzip"
            name += ".gz"
        return FileResponse(STATIC / name, headers=headers, media_type=kind)


def page_routes() -> list[BaseRoute]:
    """Return the routes of the pages; /graphql, which is the API's too, shows the playground itself."""
    return [
        Route("/", Page("chart").show),
        Route("/pipeline", Page("pipeline").show),
        Route("/static/{name}", Files().send),
    ]
