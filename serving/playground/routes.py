"""The files of the playground over HTTP, read once, with an ETag and with headers that let nothing else in."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
MEDIA_TYPES = {".js": "text/javascript"}  # what the system's table says of it differs from machine to machine

SECURITY = {
    # Scripts, styles, pictures and requests: from this service only, none inline.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def playground_routes() -> list[Route]:
    """`/` and `/playground/{file}`, one route a file: a path that is not listed cannot be asked for."""
    files = {f"/playground/{path.name}": path for path in sorted(STATIC.iterdir()) if path.name != INDEX}
    return [_route(url, path) for url, path in {"/": STATIC / INDEX, **files}.items()]


def _route(url: str, path: Path) -> Route:
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    media_type = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    # `no-cache` lets a browser keep the file but ask whether it changed: a new version of the service shows at once.
    headers = {**SECURITY, "ETag": etag, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=media_type)

    return Route(url, answer, methods=["GET"])
