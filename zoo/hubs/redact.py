"""No secret of a URL in a message: user information, query and fragment are left out wherever a URL is shown."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s'\"<>]*)")
_HOST = re.compile(r"(\[[^\]/]*\]|[^/:]*)(:\d*)?(/|[);,.:]*$)")


def redact(text: object) -> str:
    """The text, each URL in it reduced to scheme, host and path."""
    return _URL.sub(lambda found: found["scheme"] + _bare(found["scheme"], found["rest"]), str(text))


def _bare(scheme: str, rest: str) -> str:
    """Host, port and path. A password may hold a slash, so user information goes up to the last @.

    Other schemes than HTTP have an @ in paths (hf://owner/name@revision); there it is one of the authority.
    """
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    if scheme.lower().startswith("http") or "@" in bare.partition("/")[0]:
        bare = bare.rpartition("@")[2]
    return bare if _HOST.match(bare) else "…"


class UrlFilter(logging.Filter):
    """Lets a library's log records through without secrets; those that would print headers of an answer do not pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "://" in text:
            record.msg, record.args = redact(text), ()
        return "ocation" not in text or "://" not in text


def quiet_logs(*names: str) -> None:
    """Let no logger of these names, or below them as far as it is there, show a URL's secrets."""
    known = list(logging.root.manager.loggerDict)
    for name in (*names, *(name for name in known if name.startswith(tuple(f"{one}." for one in names)))):
        logger = logging.getLogger(name)
        if not any(isinstance(found, UrlFilter) for found in logger.filters):
            logger.addFilter(UrlFilter())


def scheme_of(location: str) -> str:
    """`https`, `s3`, …; empty for a path (one of Windows too)."""
    scheme = urlsplit(location).scheme if "://" in location else ""
    return scheme.lower()
