"""A report as GitHub workflow commands, which show beside the files of a pull request.

Commands and their escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions. A step shows at
most ten errors and ten notices; what is beyond that is counted in the tenth.
"""

from collections.abc import Mapping, Sequence

from export.report import findings
from export.validate import Report

MAX_ANNOTATIONS = 10
_IN_MESSAGES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ":": "%3A", ",": "%2C"}


def annotations(report: Report, path: str) -> list[str]:
    """Lines for standard output: an error for everything that did not hold, or a notice that all of it did.

    `path` is the file that they point at, from the repository's root.
    """
    if report.passed:
        lines = [_command("notice", path, f"PASSED: {report.subject}", _summary(report))]
    else:
        sentences = _at_most(short_failures(report), MAX_ANNOTATIONS)
        lines = [_command("error", path, f"FAILED: {report.subject}", sentence) for sentence in sentences]
    if found := findings(report):
        lines.append(_command("notice", path, f"Findings: {report.subject}", "\n".join(found)))
    return lines


def short_failures(report: Report) -> list[str]:
    """Why a report did not pass: a sentence for each output and kind, not for each of its cases."""
    sentences = list(report.problems)
    for graph in report.graphs:
        sentences += [f"graph {graph.graph}: {sentence}" for sentence in graph.broken]
        for record in (record for record in graph.records if record.failures):
            more = f" (and {len(record.failures) - 1} more)" if len(record.failures) > 1 else ""
            sentences.append(f"graph {graph.graph}, output {record.output}: {record.failures[0]}{more}")
    return sentences or ["nothing was compared"]


def _summary(report: Report) -> str:
    records = [record for graph in report.graphs for record in graph.records]
    shares = [record.error / record.bound for record in records if record.bound]
    nearest = f"; the largest error takes {max(shares):.0%} of its bound" if shares else ""
    rows = sum(record.rows for record in records)
    return f"every output within its bound on {rows:,} rows{nearest}"


def _at_most(sentences: Sequence[str], limit: int) -> list[str]:
    if len(sentences) <= limit:
        return list(sentences)
    return [*sentences[: limit - 1], f"{len(sentences) - limit + 1} more failures; see the report"]


def _command(kind: str, path: str, title: str, message: str) -> str:
    properties = f"file={_escape(path, _IN_PROPERTIES)},title={_escape(title, _IN_PROPERTIES)}"
    return f"::{kind} {properties}::{_escape(message, _IN_MESSAGES)}"


def _escape(text: str, codes: Mapping[str, str]) -> str:
    return "".join(codes.get(character, character) for character in text)
