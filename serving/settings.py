"""What an operator chooses, from the environment, since BentoML's workers are processes of their own.

| variable | meaning | default |
|---|---|---|
| ZOO_MODELS | models to serve, `name` or `name@version`, separated by commas | none: must be set |
| ZOO_HUB | the folder that they come from | the models that came with the code |
| ZOO_PROVIDER | cpu, cuda or tensorrt | cpu |
| ZOO_VARIANT | fp16 or int8, a twin of every model | none: the graphs themselves |
| ZOO_THREADS | threads within one operator; 0 takes one for each core | 1, or 0 where a row takes long |
| ZOO_MAX_ROWS | rows in one execution | 32 |
| ZOO_MAX_DELAY_MS | how long a request may wait for others | 1 |
| ZOO_MAX_QUEUE_ROWS | rows that may wait for one graph; more are answered with 429 | 1024 |
| ZOO_MAX_BODY_BYTES | largest body of a request, before and after decompression | 33554432 |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from serving.batcher import Limits
from zoo.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Settings:
    models: tuple[str, ...] = ()
    provider: str = "cpu"
    variant: str = ""
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    max_body_bytes: int = 32 * 2**20

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises UsageError for a value that is no number, or too small."""
        names = (name.strip() for name in environment.get("ZOO_MODELS", "").split(","))
        return cls(
            models=tuple(dict.fromkeys(name for name in names if name)),
            provider=environment.get("ZOO_PROVIDER") or "cpu",
            variant=environment.get("ZOO_VARIANT", ""),
            threads=int(_number(environment, "ZOO_THREADS", 0, least=0)) if environment.get("ZOO_THREADS") else None,
            limits=Limits(
                max_rows=int(_number(environment, "ZOO_MAX_ROWS", 32, least=1)),
                max_delay_ms=_number(environment, "ZOO_MAX_DELAY_MS", 1, least=0),
                max_queue_rows=int(_number(environment, "ZOO_MAX_QUEUE_ROWS", 1024, least=1)),
            ),
            max_body_bytes=int(_number(environment, "ZOO_MAX_BODY_BYTES", 32 * 2**20, least=1)),
        )


def _number(environment: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environment.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError as error:
        raise UsageError(f"{name} is {text!r}; set it to a number, or unset it for {default}.") from error
    if not least <= value < 2**53:
        raise UsageError(f"{name} is {text}; set it to {least:g} or more, or unset it for {default}.")
    return value
