"""/docs: Swagger UI, served from here. No other host is asked for anything."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse

router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).parent.parent / "static" / "swagger"
# Swagger UI sets style attributes, and shows its icons as data: pictures.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
MEDIA_TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "initializer.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "LICENSE.txt": "text/plain; charset=utf-8",
    "NOTICE.txt": "text/plain; charset=utf-8",
}


@router.get("/")
async def root() -> RedirectResponse:
    """To the documentation, until the workbench is here."""
    return RedirectResponse("/docs", 307)


@router.get("/docs")
async def docs() -> FileResponse:
    """The contract, to read and to try."""
    return FileResponse(
        FOLDER / "index.html",
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY},
    )


@router.get("/docs/{name}")
async def asset(name: str) -> FileResponse:
    """One file of Swagger UI; the names are fixed, so no path can be built from them."""
    if name not in MEDIA_TYPES:
        raise HTTPException(404)
    return FileResponse(
        FOLDER / name, media_type=MEDIA_TYPES[name], headers={"Cache-Control": "max-age=3600"}
    )
