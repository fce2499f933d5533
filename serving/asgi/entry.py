"""Who may call what: keys, asked for before anything of a request's body is read."""

from __future__ import annotations

from collections.abc import Mapping

from serving.errors import ProtocolError
from serving.keys import Keys

# What a load balancer and a browser need before anybody can give a key.
_OPEN = {"/", "/docs", "/openapi.json", "/livez", "/readyz", "/healthz"}
_OPEN_FOLDERS = ("/v2/health/", "/playground/", "/static_content/")
_REPOSITORY = "/v2/repository/models/"


def require_key(method: str, path: str, headers: Mapping[bytes, bytes], api_keys: Keys, admin_keys: Keys) -> None:
    """Raises ProtocolError: 401 without a right key, 403 for what only an admin key opens, or nobody's.

    Without any admin key nobody may load or unload, from loopback neither: a proxy on the same machine comes from there.
    """
    if path.startswith(_REPOSITORY):
        _require_admin(path, headers, api_keys, admin_keys)
    elif api_keys and not _is_open(method, path) and not (api_keys + admin_keys).admit(headers):
        raise _unknown("a key")


def _is_open(method: str, path: str) -> bool:
    return method in ("GET", "HEAD") and (path in _OPEN or path.startswith(_OPEN_FOLDERS))


def _require_admin(path: str, headers: Mapping[bytes, bytes], api_keys: Keys, admin_keys: Keys) -> None:
    if not admin_keys:
        raise ProtocolError(
            "This service has no admin key, so nobody may load or unload models; set ZOO_ADMIN_KEYS "
            "(`python -m serving.keys` makes a key).",
            status=403,
        )
    if not admin_keys.admit(headers):
        if api_keys.admit(headers):
            raise ProtocolError("This key may not load or unload models; send an admin key.", status=403)
        raise _unknown("an admin key")


def _unknown(what: str) -> ProtocolError:
    return ProtocolError(f"The request has no right key; send {what} as X-API-Key or as Authorization: Bearer.", status=401)
