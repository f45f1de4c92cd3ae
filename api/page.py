"""The built page: index.html is asked for each time, assets with a hash in their name never."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

STATIC = Path(__file__).parent / "static"
FRESH = {"Cache-Control": "no-cache"}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>potline</title>
<h1>The page is not built</h1>
<p>Run <code>make page</code> in the source tree, then load this again.
The API works without it: <a href="/openapi.json">/openapi.json</a>.</p>
"""


def routes(static: Path) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def index() -> Response:
        if not (static / "index.html").is_file():
            return Response(NOT_BUILT, 503, media_type="text/html")
        return _file(static / "index.html", FRESH)

    @router.get("/assets/{name}")
    def asset(name: str) -> Response:
        return _file(static / "assets" / name, FOR_EVER)

    @router.get("/{name}")
    def beside(name: str) -> Response:
        """Files beside index.html, e.g. the icon."""
        return _file(static / name, FRESH)

    return router


def _file(path: Path, headers: dict[str, str]) -> Response:
    if path.name.startswith(".") or not path.is_file():
        raise HTTPException(404, "there is nothing here")
    return FileResponse(path, headers=headers)
