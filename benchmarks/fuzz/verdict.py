"""What an answer has to be, and the table of what the answers were."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.fuzz.wire import HUNG_UP, SILENT, WAITING, Answer, Request

_WITH_REASON = (503, 504)
# What uvicorn says of bytes that are no HTTP, and of a WebSocket's handshake that is none; no application ever sees them.
_NOT_HTTP = (b"Invalid HTTP request received.", b"")
_OUTCOMES = {HUNG_UP.status: "hung up", SILENT.status: "no answer", WAITING.status: "waits for more"}
_LARGEST_QUOTE = 20_000  # bytes of a request, in a report of a problem
_MOST_PROBLEMS = 200


def problem_of(request: Request, answer: Answer) -> str | None:
    """What is wrong with this answer to this request; None where nothing is."""
    if answer is SILENT:
        return "no answer in time"
    if answer is HUNG_UP:
        return "hung up without an answer" if request.whole else None
    if answer is WAITING:
        return None
    if answer.status < 200:
        return f"status {answer.status}"
    if answer.status >= 500 and answer.status not in _WITH_REASON:
        return f"server error {answer.status}"
    is_below = answer.status == 400 and answer.body in _NOT_HTTP and not request.whole
    if answer.status < 400 or request.method == "HEAD" or is_below:
        return None
    if not _has_form(answer):
        return f"status {answer.status} not in the form of errors"
    return "429 without Retry-After" if answer.status == 429 and "retry-after" not in answer.headers else None


def same(found: Any, expected: Any) -> bool:
    """Equal, but for the last digits of numbers, which depend on what else was in the batch."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-5)
    return bool(found == expected)


@dataclass
class Tally:
    """Answers by kind of request and status, and the first problems whole."""

    answers: dict[str, Counter[int]] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)
    num_problems: Counter[str] = field(default_factory=Counter)
    probes: int = 0

    @property
    def total(self) -> int:
        return sum(sum(counts.values()) for counts in self.answers.values())

    def add(self, request: Request, answer: Answer) -> None:
        self.answers.setdefault(request.kind, Counter())[answer.status] += 1
        if (what := problem_of(request, answer)) is not None:
            self.report(what, request, answer)

    def report(self, what: str, request: Request | None = None, answer: Answer | None = None) -> None:
        """A problem, with the bytes that led to it."""
        self.num_problems[request.kind if request is not None else what] += 1
        if len(self.problems) < _MOST_PROBLEMS:
            record: dict[str, Any] = {"problem": what}
            if request is not None:
                record |= {"kind": request.kind, "request": request.data[:_LARGEST_QUOTE].hex(), "size": len(request.data)}
            if answer is not None:
                record |= {"status": answer.status, "answer": answer.body[:2000].decode("latin-1")}
            self.problems.append(record)

    def table(self) -> str:
        """Markdown: a row a kind of request, a column a status."""
        statuses = sorted({status for counts in self.answers.values() for status in counts})
        names = [_OUTCOMES.get(status, str(status)) for status in statuses]
        lines = [f"| requests | number | {' | '.join(names)} | problems |", "|---" * (len(names) + 3) + "|"]
        total: Counter[int] = Counter()
        for kind, counts in sorted(self.answers.items()):
            lines.append(_row(kind, counts, statuses, self.num_problems[kind]))
            total.update(counts)
        return "\n".join([*lines, _row("**all**", total, statuses, self.num_problems.total())]) + "\n"


def _row(name: str, counts: Counter[int], statuses: list[int], problems: int) -> str:
    cells = [f"{counts[status]:,}" if counts[status] else "" for status in statuses]
    return f"| {name} | {sum(counts.values()):,} | {' | '.join(cells)} | {problems} |"


def _has_form(answer: Answer) -> bool:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return False
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    return is_json and isinstance(document, dict) and list(document) == ["error"] and bool(str(document["error"]).strip())
