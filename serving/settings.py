"""What an operator chooses, from the environment, since BentoML's workers are processes of their own.

| variable | meaning | default |
|---|---|---|
| ZOO_MODELS | models to serve, `name` or `name@version`, separated by commas | none: must be set |
| ZOO_HUB | the folder that they come from | the models that came with the code |
| ZOO_PROVIDER | cpu, cuda or tensorrt | cpu |
| ZOO_ALLOW_CPU | 1: another provider may fall back to the CPU | 0: then the service is not ready |
| ZOO_VARIANT | fp16 or int8, a twin of every model | none: the graphs themselves |
| ZOO_WORKERS | worker processes | 1 |
| ZOO_THREADS | threads within one operator; 0 takes one for each core | 1, or 0 where a row takes long |
| ZOO_STATE | folder that the workers of one service share | a private one, made at the start |
| ZOO_MAX_ROWS | rows in one execution * | 32 |
| ZOO_MAX_DELAY_MS | how long a request may wait for others * | 1 |
| ZOO_MAX_QUEUE_ROWS | rows that may wait for one graph; more are answered with 429 * | 1024 |
| ZOO_MAX_IN_FLIGHT | executions of one graph at the same time * | 2 |
| ZOO_MAX_SLOTS | answers of one model that a worker generates at the same time * | 32 |
| ZOO_MAX_WAITING | generations that may wait for a slot; more are answered with 429 * | 256 |
| ZOO_MAX_BODY_BYTES | largest body of a request, before and after decompression | 33554432 |
| ZOO_MAX_JSON_DEPTH | how deep lists and objects of a request may be nested | 32 |
| ZOO_MAX_PIXELS | pixels of an image, by what its header says | 16000000 |
| ZOO_TIMEOUT_MS | time for a request that names none; later its answer is 504 | 60000 |
| ZOO_API_KEYS, ZOO_API_KEYS_FILE | hashed keys of clients (`python -m serving.keys`) | none: open to all |
| ZOO_ADMIN_KEYS, ZOO_ADMIN_KEYS_FILE | hashed keys that may also load and unload models | none: nobody may |
| ZOO_ACCESS_LOG | share of requests logged, 0 to 1; above 0, errors always are | 0 |
| ZOO_OTEL | 1: OpenTelemetry spans, set up by the OTEL_* variables | 0 |

\\* takes values for single models too: `ZOO_MAX_ROWS=32,convnet=64`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from serving.batching.limits import Limits
from serving.keys import Keys, read_keys
from zoo.errors import UsageError

Number = TypeVar("Number", int, float)

_UNBOUNDED = 2**53
# Of Limits: variable, smallest value.
_LIMITS = {
    "max_rows": ("ZOO_MAX_ROWS", 1),
    "max_delay_ms": ("ZOO_MAX_DELAY_MS", 0),
    "max_queue_rows": ("ZOO_MAX_QUEUE_ROWS", 1),
    "max_in_flight": ("ZOO_MAX_IN_FLIGHT", 1),
    "max_slots": ("ZOO_MAX_SLOTS", 1),
    "max_waiting": ("ZOO_MAX_WAITING", 0),
}


def _number(variable: str, default: Number, least: float, most: float = _UNBOUNDED) -> Number:
    """A field of Settings that is a number, whole when its default is, from `least` to `most`."""
    return field(default=default, metadata={"variable": variable, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Settings:
    models: tuple[str, ...] = ()
    provider: str = "cpu"
    allow_cpu: int = _number("ZOO_ALLOW_CPU", 0, 0, 1)
    variant: str = ""
    workers: int = _number("ZOO_WORKERS", 1, 1, 1024)
    threads: int | None = None
    state: Path | None = None
    limits: Limits = field(default_factory=Limits)
    model_limits: Mapping[str, Limits] = field(default_factory=dict)
    max_body_bytes: int = _number("ZOO_MAX_BODY_BYTES", 32 * 2**20, 1)
    max_json_depth: int = _number("ZOO_MAX_JSON_DEPTH", 32, 4, 1000)
    max_pixels: int = _number("ZOO_MAX_PIXELS", 16_000_000, 1, 64_000_000)
    timeout_ms: int = _number("ZOO_TIMEOUT_MS", 60_000, 1, 86_400_000)
    api_keys: Keys = field(default_factory=Keys)
    admin_keys: Keys = field(default_factory=Keys)
    access_log: float = _number("ZOO_ACCESS_LOG", 0.0, 0, 1)
    otel: int = _number("ZOO_OTEL", 0, 0, 1)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises UsageError for a value that is no number or out of its range, and what `read_keys` raises."""
        names = (name.strip() for name in environment.get("ZOO_MODELS", "").split(","))
        threads = environment.get("ZOO_THREADS", "").strip()
        state = environment.get("ZOO_STATE", "")
        limits, model_limits = _limits(environment)
        return cls(
            models=tuple(dict.fromkeys(name for name in names if name)),
            provider=environment.get("ZOO_PROVIDER") or "cpu",
            variant=environment.get("ZOO_VARIANT", ""),
            threads=_parse("ZOO_THREADS", threads, 0, 0, 1024) if threads else None,
            state=Path(state) if state else None,
            limits=limits,
            model_limits=model_limits,
            api_keys=read_keys(environment, "ZOO_API_KEYS"),
            admin_keys=read_keys(environment, "ZOO_ADMIN_KEYS"),
            **_numbers(cls, environment),
        )

    def limits_of(self, model: str) -> Limits:
        """The limits of a model of this name (without version)."""
        return self.model_limits.get(model, self.limits)

    def require_known(self, models: Iterable[str]) -> None:
        """Raises UsageError when a limit is set for a model that is none of these."""
        known = sorted(models)
        for name in self.model_limits:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}."
                raise UsageError(f"A limit (ZOO_MAX_…) is set for {name!r}, which is no model here; {hint}")


def _numbers(settings: type[Settings], environment: Mapping[str, str]) -> dict[str, Any]:
    """Every field that `_number` declares and the environment sets."""
    return {
        one.name: _parse(
            name, environment[name].strip(), cast(float, one.default), one.metadata["least"], one.metadata["most"]
        )
        for one in fields(settings)
        if (name := one.metadata.get("variable", "")) and environment.get(name, "").strip()
    }


def _limits(environment: Mapping[str, str]) -> tuple[Limits, dict[str, Limits]]:
    """The limits of all models, and of those that have their own: `32,model=64`."""
    common: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    for name, (variable, least) in _LIMITS.items():
        for entry in filter(None, (entry.strip() for entry in environment.get(variable, "").split(","))):
            model, equals, text = entry.rpartition("=")
            if equals and not model.strip():
                raise UsageError(f"{variable} holds {entry!r}; write model={text.strip()}, or {text.strip()} for all.")
            place = own.setdefault(model.strip(), {}) if equals else common
            if name in place:
                raise UsageError(f"{variable} sets {model.strip() or 'all models'} twice ({entry!r}); set it once.")
            place[name] = _parse(variable, text.strip(), getattr(Limits(), name), least, _UNBOUNDED)
    limits = replace(Limits(), **common)
    return limits, {model: replace(limits, **values) for model, values in own.items()}


def _parse(variable: str, text: str, default: Number, least: float, most: float) -> Number:
    whole = isinstance(default, int)
    try:
        value = type(default)(text)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{variable} is {text!r}; set it to {kind}, or unset it for {default:.12g}.") from error
    if not least <= value <= most:
        bounds = f"{least:g} or more" if most >= _UNBOUNDED else f"{least:g} to {most:.12g}"
        raise UsageError(f"{variable} is {text}; set it to {bounds}, or unset it for {default:.12g}.")
    return value
