"""BentoML's `serve` command in this process, with a supervisor that looks for dead workers several times a second.

BentoML lets its supervisor look every 10 s, without a setting for it, and in a container not at all, where it waits
until the last worker is dead. Both are set here, in `watch_closely`, and nowhere else.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

CHECK_INTERVAL_S = 0.25


def serve(arguments: Sequence[str]) -> None:
    """Serve until a signal ends it. Raises UsageError for what BentoML cannot do, SystemExit when a model is refused."""
    import click
    from bentoml.exceptions import BentoMLException
    from bentoml_cli.serve import serve_command

    from zoo.errors import UsageError

    watch_closely()
    try:
        serve_command.main(["serve", "serving.service:Zoo", *arguments], prog_name="bentoml", standalone_mode=False)
    except click.ClickException as error:
        raise UsageError(f"BentoML does not serve this ({click.unstyle(error.format_message())}).") from error
    except BentoMLException as error:
        raise UsageError(f"BentoML cannot serve ({error}).") from error


def watch_closely() -> None:
    """Let every supervisor made from now on see a dead worker after CHECK_INTERVAL_S, and start it again anywhere."""
    from bentoml._internal.utils import circus

    if not isinstance(circus.create_standalone_arbiter, functools.partial):
        circus.create_standalone_arbiter = functools.partial(_make_arbiter, circus.create_standalone_arbiter)


def _make_arbiter(make: Any, watchers: Sequence[Any], **options: Any) -> Any:
    for watcher in watchers:
        watcher.respawn = True
    return make(watchers, check_delay=CHECK_INTERVAL_S, **options)
