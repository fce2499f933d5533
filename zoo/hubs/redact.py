"""No secret of a URL in a message: user information, query and fragment are left out wherever a URL is shown."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s'\"<>]*)")


def redact(text: object) -> str:
    """The text, each URL in it reduced to scheme, host and path."""
    return _URL.sub(lambda found: found["scheme"] + _bare(found["rest"]), str(text))


def _bare(rest: str) -> str:
    authority, slash, path = rest.partition("/")
    host = re.split(r"[?#]", authority.rpartition("@")[2])[0]
    return host + slash + re.split(r"[?#]", path)[0]


class UrlFilter(logging.Filter):
    """Lets a library's log records through without secrets; those that would print headers of an answer do not pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "://" in text:
            record.msg, record.args = redact(text), ()
        return "ocation" not in text or "://" not in text


def quiet_logs(*names: str) -> None:
    """Let no logger of these names show a URL's secrets."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(found, UrlFilter) for found in logger.filters):
            logger.addFilter(UrlFilter())


def scheme_of(location: str) -> str:
    """`https`, `s3`, …; empty for a path (one of Windows too)."""
    scheme = urlsplit(location).scheme if "://" in location else ""
    return scheme.lower()
