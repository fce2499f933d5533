"""Reports as JUnit XML, which every continuous integration reads: a suite for each subject, a case for each output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from export.prove import GraphReport
from export.report import findings
from export.validate import Report

NOTHING = "nothing was compared"
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def render_junit(reports: Sequence[Report]) -> str:
    """One XML document; a testcase's failure holds the sentences of all that did not hold, the first as its message.

    Only the whole of a subject is timed: a suite has a time, its cases have none.
    """
    root = Element("testsuites")
    suites = [_add_suite(root, report) for report in reports]
    for total in ("tests", "failures"):
        root.set(total, str(sum(int(suite.attrib[total]) for suite in suites)))
    root.set("time", f"{sum(report.seconds for report in reports):.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: Element, report: Report) -> Element:
    suite = SubElement(root, "testsuite", name=_clean(report.subject), time=f"{report.seconds:.3f}")
    properties = SubElement(suite, "properties")
    facts = {"samples": report.samples, "seed": report.seed, "provider": report.provider, "depth": report.depth}
    for name, value in (facts | report.options).items():
        SubElement(properties, "property", name=_clean(name), value=_clean(str(value)))
    _add_case(suite, report.subject, "artifact and inputs", _problems(report))
    for graph in report.graphs:
        _add_graph(suite, f"{report.subject}.{graph.graph}", graph)
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("skipped", "0")
    if sentences := findings(report):
        SubElement(suite, "system-out").text = _clean("\n".join(sentences))
    return suite


def _problems(report: Report) -> list[str]:
    return report.problems or ([] if report.graphs else [NOTHING])


def _add_graph(suite: Element, name: str, graph: GraphReport) -> None:
    for record in graph.records:
        failures = record.failures or ([] if record.passed else [NOTHING])
        _add_case(suite, name, f"{record.output} on {record.kind} inputs", failures)
    _add_case(suite, name, "invariances", graph.broken or ([] if graph.records else [NOTHING]))


def _add_case(suite: Element, owner: str, name: str, sentences: Sequence[str]) -> None:
    case = SubElement(suite, "testcase", classname=_clean(owner), name=_clean(name))
    if sentences:
        failure = SubElement(case, "failure", message=_clean(sentences[0]), type="ParityError")
        failure.text = _clean("\n".join(sentences))


def _clean(text: str) -> str:
    """Characters that XML cannot hold, even escaped, become the replacement character."""
    return _UNWRITABLE.sub("\ufffd", text)
