"""Reports made by hand, with names that no format may take for its own marks."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from export.annotations import annotations
from export.compare import Disagreement, OutputRecord
from export.html import render_html
from export.inputs import Case
from export.judge import TwinReport
from export.junit import render_junit
from export.opsets import OpsetOutcome
from export.plots import pictures, ratio_histogram, strip_plot
from export.prove import GraphReport
from export.report import print_report, report_json
from export.score import Comparison
from export.validate import Report

NASTY = "<script>alert('50 %')</script> & \"q\"\r\nsecond, line: \x00\x1b"
VOID = ("meta", "link", "img")


def record(output="y", kind="drawn", errors=(("batch 1", 0.5), ("batch 3", 2.0)), floor=1.0, failures=()):
    """With a floor of 1 the bound is 8."""
    worst, error = max(errors, key=lambda each: each[1]) if errors else ("", 0.0)
    made = OutputRecord(output, kind, cases=2, rows=4, floor=floor, error=error, worst=worst, errors=list(errors))
    made.worst_row = 1 if error else None
    made.failures = list(failures)
    return made


def graph(name="predict", *records, broken=(), cases=(), remarks=()):
    return GraphReport(name, list(records) or [record()], list(broken), 0, remarks=list(remarks), cases=list(cases))


def report(*graphs, subject="rings v1", problems=()):
    return Report(subject, "none given", 7, "cpu", graphs=list(graphs), problems=list(problems), seconds=1.5)


def failing():
    bad = record(NASTY, "real", [("batch 16", 9.0)], failures=[f"real, batch 16: {NASTY}"])
    return report(graph("fine"), graph(NASTY, record(), bad, broken=[f"unsteady {NASTY}"]), subject=NASTY, problems=[NASTY])


class Page(HTMLParser):
    """Elements in order, the tags left open, and what the page refers to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.references, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def words(page):
    return " ".join(" ".join(page.text).split())


def test_html_escapes_everything_and_stays_balanced():
    text = render_html(failing(), f"validate {NASTY}")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#x27;50 %&#x27;)" in text


def test_html_asks_for_nothing():
    image = np.linspace(0, 1, 4 * 64, dtype=np.float32).reshape(4, 1, 8, 8)
    found = report(graph("predict", record(errors=[("batch 4", 2.0)]), cases=[Case("drawn", {"x": image}, {"batch": 4})]))
    text = render_html(found, "validate a")
    references = Page(text).references
    assert len(references) == 5  # an empty icon, and four rows
    assert all(reference.startswith("data:") for reference in references)
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search("https?:", text)
    assert "default-src 'none'" in text


def test_html_says_failed_first_and_failed_graphs_before_others():
    told = words(Page(render_html(failing(), "validate a")))
    assert told.startswith("FAILED <script>")  # the title
    assert (
        told.index("✗ FAILED") < told.index("What did not hold") < told.index("unsteady") < told.index("Graph fine: proven")
    )
    assert told.index("second, line: \x00\x1b real 2 4") < told.index("y drawn 2 4")  # failed outputs first, too


def test_html_of_a_passing_report_has_every_fact():
    found = report(graph("encode", remarks=["drawn inputs: node 'relu' never fires"]))
    found.metric = Comparison("accuracy", 10_000, 0.9876, 0.9871, -0.0005, -0.0012, 0.0001)
    found.twins = [TwinReport("int8", False, "loses at most 0.03", found.metric), TwinReport("optimized", True, "same")]
    found.opsets = [OpsetOutcome("encode", 18, True, "proven"), OpsetOutcome("encode", 23, False, "off by 3")]
    found.options = {"graph_optimization_level": "ORT_ENABLE_ALL"}
    told = words(Page(render_html(found, "validate a --seed 7")))
    assert "What did not hold" not in told
    for fact in ("✓ PASSED", "rings v1", "none given", "cpu", "quick", "1.5 s", "validate a --seed 7", "ORT_ENABLE_ALL"):
        assert fact in told
    assert "y drawn 2 4 1.00e+00 2.00e+00 8.00e+00 0 batch 3, row 1 ok" in told
    assert "accuracy 10,000 0.9876 0.9871 -0.0005 -0.0012 to 0.0001" in told
    assert "int8 REFUSED 0.9871 -0.0012 to 0.0001 loses at most 0.03 optimized accepted – – same" in told
    assert "encode proven off by 3" in told
    assert "never fires" in told


def test_html_of_nothing_compared_fails_and_says_so():
    told = words(Page(render_html(report(), "validate a")))
    assert "✗ FAILED" in told
    assert "nothing was compared" in told


def test_labels_have_no_figures_in_the_table():
    told = words(Page(render_html(report(graph("act", record("action", errors=(), floor=0.0))), "validate a")))
    assert "action drawn 2 4 equal – – 0 – ok" in told


def test_labels_that_differ_are_listed_with_their_case(capsys):
    act = record("action", errors=(), floor=0.0)
    act.disagreements = [Disagreement("batch 7", 3, 4.0, 5.0, 0.25, True)]
    found = report(graph("act", act))
    told = words(Page(render_html(found, "validate a")))
    assert "action drawn 2 4 equal – – 0 batch 7, row 3 ok" in told
    assert "action on drawn inputs, batch 7, row 3: 4 instead of 5, margin 0.25, a tie" in told
    (kept,) = report_json(found)["graphs"]["act"]
    assert kept["disagreements"] == [
        {"case": "batch 7", "row": 3, "found": 4.0, "expected": 5.0, "margin": 0.25, "tie": True}
    ]
    print_report(found, "validate a")
    printed = capsys.readouterr().out
    assert "batch 7, row 3" in printed
    assert "4 instead of 5" in printed


def test_the_row_of_the_largest_error_is_told_everywhere(capsys):
    found = report(graph("predict", record()))
    print_report(found, "validate a")
    assert "batch 3, row 1" in capsys.readouterr().out
    assert report_json(found)["graphs"]["predict"][0]["worst_row"] == 1
    json.dumps(report_json(found))


def test_the_picture_of_the_worst_row_comes_first():
    rows = np.stack([np.full(64, value, np.float32) for value in (0.0, 1.0, 0.0)])
    found = report(graph("predict", record(), cases=[Case("drawn", {"x": rows}, {"batch": 3})]))
    page = Page(render_html(found, "a"))
    shown = [each for each in page.references if each.startswith("data:image")]
    assert [np.asarray(picture(url)).mean() for url in shown] == [255.0, 0.0, 0.0]
    assert "row 1 first" in words(page)


def test_many_failures_are_folded():
    found = report(problems=[f"problem {number}." for number in range(50)])
    text = render_html(found, "validate a")
    shown, folded = text.split("<summary>all 50, case by case</summary>")
    assert "problem 19." in shown
    assert "problem 20." not in shown
    assert "problem 0." in folded
    assert "problem 49." in folded


def test_the_worst_case_is_told_from_others_of_its_size():
    dark, light = np.zeros((1, 64), np.float32), np.ones((1, 64), np.float32)
    cases = [Case("drawn", {"x": array}, {"batch": 1}) for array in (dark, light, dark)]
    found = report(graph("predict", record(errors=[("batch 1", 1.0), ("batch 1", 3.0), ("batch 1", 2.0)]), cases=cases))
    shown = [each for each in Page(render_html(found, "a")).references if each.startswith("data:image")]
    assert [np.asarray(picture(url)).mean() for url in shown] == [255.0]


def picture(url):
    return Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))


@pytest.mark.parametrize(
    ("shape", "size", "mode"),
    [
        ((2, 784), (28, 28), "L"),
        ((2, 1, 8, 12), (12, 8), "L"),
        ((2, 3, 32, 32), (32, 32), "RGB"),
        ((1, 3, 192, 96), (48, 96), "RGB"),
    ],
)
def test_rows_that_are_pictures(shape, size, mode):
    found = pictures(np.random.default_rng(0).random(shape).astype(np.float32), 6)
    assert [(picture(url).size, picture(url).mode) for url in found] == [(size, mode)] * shape[0]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 16), np.float32),  # 4 × 4 says nothing
        np.zeros((2, 65), np.float32),
        np.zeros((2, 64), np.int64),
        -np.ones((2, 64), np.float32),
        np.full((2, 64), np.nan, np.float32),
        np.zeros((2, 2, 32, 32), np.float32),
        np.zeros((0, 64), np.float32),
        np.zeros(64, np.float32),
    ],
)
def test_rows_that_are_no_pictures(array):
    assert pictures(array, 6) == []


def test_grey_levels_span_0_to_1_or_the_values():
    row = np.zeros((1, 64), np.float32)
    row[0, :2] = 0.2, 0.6
    assert np.asarray(picture(pictures(row, 1)[0])).ravel()[:3].tolist() == [51, 153, 0]
    assert np.asarray(picture(pictures(row * 10 + 1, 1)[0])).ravel()[:3].tolist() == [85, 255, 0]


def test_the_strip_plot_has_a_point_a_case_on_a_logarithmic_scale():
    plot = strip_plot([record(errors=[("a", 0.01), ("b", 0.1), ("c", 1.0), ("d", 10.0)], failures=["d"])])
    places = [float(x) for x in re.findall('cx="([0-9.]+)"', plot)]
    steps = np.diff(places)
    assert len(places) == 4
    assert np.ptp(steps) <= 1  # one decade each, to the nearest unit
    assert plot.count('class="point bad"') == 1
    assert "bound (8 floors)" in plot
    assert "y · drawn" in plot


def test_plots_take_zero_infinity_and_nan():
    odd = record(errors=[("a", 0.0), ("b", float("inf")), ("c", float("nan"))], failures=["b", "c"])
    assert "cx" in strip_plot([odd])
    histogram = ratio_histogram([odd])
    assert "<title>0 of the bound: 1</title>" in histogram
    assert "<title>∞ of the bound: 2</title>" in histogram
    assert "nan" not in histogram


def test_the_histogram_counts_every_case_once():
    errors = [(str(number), error) for number, error in enumerate([8.0, 7.0, 4.0, 2.0, 1.0, 1e-9, 16.0, 1e30])]
    counts = re.findall(r"<title>([^ ]+) of the bound: (\d+)<", ratio_histogram([record(errors=errors)]))
    assert sum(int(count) for _, count in counts) == 8
    plain = re.findall(r"<title>([^ ]+) of the bound: (\d+)<", ratio_histogram([record(errors=errors[:5])]))
    assert plain == [("1/8", "1"), ("1/4", "1"), ("1/2", "1"), ("1", "2")]


def test_no_plot_without_a_float_output():
    assert strip_plot([record(errors=())]) == ""
    assert ratio_histogram([record(errors=())]) == ""


def test_junit_counts_what_it_holds():
    root = ElementTree.fromstring(render_junit([report(graph()), failing(), report()]).encode())
    suites = root.findall("testsuite")
    assert [(suite.get("tests"), suite.get("failures")) for suite in suites] == [("3", "0"), ("6", "3"), ("1", "1")]
    assert (root.get("tests"), root.get("failures"), root.get("time")) == ("10", "4", "4.500")
    for suite in suites:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))


def test_junit_keeps_names_and_sentences():
    written = NASTY.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    root = ElementTree.fromstring(render_junit([failing()]).encode())
    suite = root.find("testsuite")
    assert suite.get("name") == written
    assert [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None] == [
        "artifact and inputs",
        f"{written} on real inputs",
        "invariances",
    ]
    assert suite.find("testcase/failure").get("message") == written
    assert {each.get("name"): each.get("value") for each in suite.find("properties")}["seed"] == "7"


def test_junit_says_when_nothing_was_compared():
    root = ElementTree.fromstring(render_junit([report()]).encode())
    assert root.find("testsuite/testcase/failure").get("message") == "nothing was compared"


def test_annotations_escape_by_the_documented_rules():
    found = report(problems=["50 % off\r\nby a: b, c"], subject="a: b, c % d")
    assert annotations(found, "odd,name:1%.onnx") == [
        "::error file=odd%2Cname%3A1%25.onnx,title=FAILED%3A a%3A b%2C c %25 d::50 %25 off%0D%0Aby a: b, c"
    ]


def test_annotations_name_each_output_once():
    bad = record(failures=["drawn, batch 1: off by 9", "drawn, batch 3: off by 10", "drawn, batch 7: off by 9"])
    lines = annotations(report(graph("predict", bad, record("z"), broken=["unsteady"])), "model.onnx")
    assert [line.partition("::error file=model.onnx,title=FAILED%3A rings v1::")[2] for line in lines] == [
        "graph predict: unsteady",
        "graph predict, output y: drawn, batch 1: off by 9 (and 2 more)",
    ]


def test_a_step_shows_ten_errors_at_most():
    lines = annotations(report(problems=[str(number) for number in range(30)]), "model.onnx")
    assert len(lines) == 10
    assert lines[-1].endswith("::21 more failures; see the report")


def test_a_passing_report_is_a_notice():
    found = report(graph())
    assert annotations(found, "model.onnx") == [
        "::notice file=model.onnx,title=PASSED%3A rings v1::"
        "every output within its bound on 4 rows; the largest error takes 25%25 of its bound"
    ]
    found.opsets = [OpsetOutcome("predict", 18, True, "proven")]
    assert annotations(found, "model.onnx")[1] == (
        "::notice file=model.onnx,title=Findings%3A rings v1::opset 18, graph predict: proven"
    )


def test_no_annotation_has_a_second_line():
    assert not any(re.search("[\r\n]", line) for line in annotations(failing(), NASTY))
    assert any("nothing was compared" in line for line in annotations(report(), "a"))
