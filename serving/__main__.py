"""`python -m serving [--host H] [--port P] MODEL…`: the service, by BentoML's own command."""

from __future__ import annotations

import argparse
import os
import socket
import sys


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve models of the zoo over HTTP.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name or name@version")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--variant", default="", help="fp16 or int8, where the models have it")
    options = parser.parse_args()
    host = "127.0.0.1" if options.host == "localhost" else options.host
    _require_free(host, options.port)
    os.environ["ZOO_MODELS"] = ",".join(options.models)
    os.environ["ZOO_VARIANT"] = options.variant or os.environ.get("ZOO_VARIANT", "")
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Zoo", "--host", host, "--port", str(options.port)]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _require_free(host: str, port: int) -> None:
    """End with a sentence where BentoML would end with a traceback."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        print(
            f"error: Cannot listen on {host} port {port} ({reason}); choose another with --host and --port.", file=sys.stderr
        )
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
