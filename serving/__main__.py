"""`python -m serving [options] MODEL…`, which is what `zoo serve` runs: the service, by BentoML's own command."""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.processes.supervisor import serve
from zoo.errors import UsageError, ZooError

_KEYS = ("ZOO_API_KEYS", "ZOO_API_KEYS_FILE")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        address = resolve(options.host, options.port)
        check_tls(options)
        _require_free(address, options.port)
        warn_if_open(address, os.environ)
        os.environ.update(environment(options))
        grace = ["--timeout-graceful-shutdown", str(options.grace)]
        serve(["--host", address, "--port", str(options.port), *grace, *_tls(options)])
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zoo serve",
        description="Serve models over HTTP until interrupted. More can be set by variables ZOO_…, listed in "
        "serving/settings.py; an option comes before its variable.",
    )
    models = [name for name in os.environ.get("ZOO_MODELS", "").split(",") if name]
    parser.add_argument("models", nargs="*" if models else "+", metavar="MODEL", default=models, help="name or name@version")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="worker processes (default: one, or one for each GPU)")
    parser.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), help="where graphs run (default: cpu)")
    parser.add_argument("--allow-cpu", action="store_true", help="serve even if the provider falls back to the CPU")
    parser.add_argument("--variant", help="fp16 or int8, where the models have it")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM: serve HTTPS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM, without a password")
    parser.add_argument("--tls-client-ca", type=Path, metavar="FILE", help="take only clients with a certificate of these")
    parser.add_argument(
        "--grace", type=int, default=60, metavar="SECONDS", help="to finish requests after SIGTERM (default: %(default)s)"
    )
    return parser


def environment(options: argparse.Namespace) -> dict[str, str]:
    """The variables that the options stand for; workers, which are other processes, read them."""
    chosen = {
        "ZOO_MODELS": ",".join(options.models),
        "ZOO_WORKERS": None if options.workers is None else str(options.workers),
        "ZOO_PROVIDER": options.provider,
        "ZOO_ALLOW_CPU": "1" if options.allow_cpu else None,
        "ZOO_VARIANT": options.variant,
        "BENTOML_DO_NOT_TRACK": os.environ.get("BENTOML_DO_NOT_TRACK", "True"),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def resolve(host: str, port: int) -> str:
    """The address of a host by name, which BentoML does not take; IPv4 where there are both. Raises UsageError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise UsageError(f"{host} is no address to listen on ({error}); choose another with --host.") from error
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


def _require_free(address: str, port: int) -> None:
    """Raises UsageError where BentoML would end with a traceback."""
    try:
        with socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET):
            pass
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"Cannot listen on {address} port {port} ({reason}); choose another with --host and --port."
        ) from error


def warn_if_open(address: str, variables: Mapping[str, str]) -> None:
    """Say it when others than this machine can call the service and none of them needs a key."""
    if not ipaddress.ip_address(address).is_loopback and not any(variables.get(name) for name in _KEYS):
        print(
            f"warning: {address} is not this machine alone and no API keys are set: whoever reaches the port may use "
            "every model; set ZOO_API_KEYS_FILE, or listen on 127.0.0.1.",
            file=sys.stderr,
            flush=True,
        )


def check_tls(options: argparse.Namespace) -> None:
    """Raises UsageError for files with which every worker would die at its start."""
    if not (options.tls_cert or options.tls_key or options.tls_client_ca):
        return
    if not (options.tls_cert and options.tls_key):
        raise UsageError("TLS needs a certificate and its key; give both --tls-cert and --tls-key.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key, password="")
        if options.tls_client_ca:
            context.load_verify_locations(options.tls_client_ca)
    except (OSError, ValueError) as error:
        files = ", ".join(str(file) for file in (options.tls_cert, options.tls_key, options.tls_client_ca) if file)
        raise UsageError(f"TLS cannot start with {files} ({error}); give PEM files that belong together.") from error


def _tls(options: argparse.Namespace) -> list[str]:
    named = {"certfile": options.tls_cert, "keyfile": options.tls_key, "ca-certs": options.tls_client_ca}
    found = [word for name, file in named.items() if file for word in (f"--ssl-{name}", str(file.resolve()))]
    return [*found, "--ssl-cert-reqs", str(int(ssl.CERT_REQUIRED))] if options.tls_client_ca else found


if __name__ == "__main__":
    main()
