"""How every command of the project ends: 0 done, 1 a check failed, 2 wrong usage or unusable input, 130 interrupted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.errors import ZooError


def run_command(app: Callable[..., Any]) -> None:
    """Run a Typer application; an error of the zoo is one sentence on stderr, and its status the exit status."""
    try:
        app()
    except ZooError as error:
        if str(error):
            print(f"error: {error}", file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        print(
            f"error: {error.filename or 'the disk'}: {error.strerror}; free space or choose another place.", file=sys.stderr
        )
        sys.exit(2)


def shell() -> str:
    """The command line of this process, to be run again from the repository's root."""
    package = getattr(sys.modules["__main__"], "__spec__", None)
    start = ["python", "-m", package.name.removesuffix(".__main__")] if package else [Path(sys.argv[0]).name]
    return shlex.join([*start, *sys.argv[1:]])
