"""The page at `/` in headless Chromium, over a real service of models of this repository."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from serving.keys import hash_of
from zoo.environments import cart_pole
from zoo.hub import EMBEDDED

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
PICTURES, NUMBERS, SERIES, CODES = "convnet-mnist", "random-forest-digits", "lstm-japanese-vowels", "vae-mnist"
DRAWN, GRAPHS, ROWS, FLAGS, VALUES, ACTIONS = (
    "dcgan-mnist",
    "gcn-cora",
    "perceptron-iris",
    "mcculloch-pitts-gates",
    "gaussian-process-sine",
    "dqn-cartpole",
)
MAPS, EVIDENCE = "value-iteration-gridworld", "bayesian-network-diagnosis"
MODELS = (PICTURES, NUMBERS, SERIES, CODES, DRAWN, GRAPHS, ROWS, FLAGS, VALUES, ACTIONS, MAPS, EVIDENCE)
KEY = "a-key-of-a-client-0123456789"
JSON = {"Content-Type": "application/json"}

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def zoo(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The service of one model of each kind."""
    server = serve(EMBEDDED, tmp_path_factory.mktemp("zoo") / "log", *MODELS)
    wait_ready(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), "This test drives Chromium; run `apt-get install -y chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens pages; at the end nothing may have been asked of anybody else, and the console must be clean.

    `refusals`: the test has the service refuse something, of which Chromium itself writes to the console.
    """
    contexts, strangers, problems = [], [], []

    def open_page(server: Any, model: str = "", *, refusals: bool = False, prepare: Any = None, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: strangers.append(request.url) if not is_ours(request.url, server) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_problem(message, refusals) else None)
        if prepare:
            prepare(page)
        page.goto(f"http://{server.address}/{'#' + model if model else ''}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert strangers == []
    assert problems == []


def is_ours(url: str, server: Any) -> bool:
    return urlsplit(url).netloc == server.address or url.startswith(f"blob:http://{server.address}/")


def is_problem(message: Any, refusals: bool) -> bool:
    refused = re.match(r"Failed to load resource: the server responded with a status of [45]", message.text)
    return message.type in ("error", "warning") and not (refusals and refused)


def wait_ready(server: Any) -> None:
    deadline = time.monotonic() + 30
    while server.request("GET", "/v2/health/ready")[0] != 200:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.05)


def post(server: Any, path: str, body: bytes | str, headers: dict[str, str] = JSON) -> Any:
    status, _, answer = server.request("POST", path, body, headers)
    assert status == 200, answer
    return json.loads(answer)


def predict(server: Any, model: str, body: bytes | str, media_type: str = "application/json") -> Any:
    [prediction] = post(server, f"/v1/models/{model}/predict", body, {"Content-Type": media_type})["predictions"]
    return prediction


def example(server: Any, model: str, label: str) -> Any:
    instances = server.json(f"/v1/models/{model}/examples")["instances"]
    return next(one["instance"] for one in instances if one["label"] == label)


def headline(page: Page) -> Any:
    return page.locator("#answer .headline").last


def expect_answer(page: Page, prediction: Any) -> None:
    """The page shows this label and these probabilities."""
    shares = {label: f"{share * 100:.1f} %" for label, share in prediction["probabilities"].items()}
    expect(headline(page)).to_have_text(f"{prediction['label']} · {shares[prediction['label']]}")
    shown = page.locator(".bars li").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.innerText))"
    )
    assert {label: share for label, _, share in shown} == shares


def stroke(page: Page) -> None:
    """A vertical line down the middle of the pad: a one."""
    box = page.locator(".pad").bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(middle - 5, box["y"] + 0.8 * box["height"], steps=12)
    page.mouse.up()


def tab_to(page: Page, selector: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"The Tab key does not reach {selector}.")


def pixels(page: Page, selector: str) -> np.ndarray:
    """The red channel of a canvas, 0 to 255."""
    script = (
        "(canvas) => [canvas.height, canvas.width,"
        " ...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0)]"
    )
    height, width, *values = page.locator(selector).evaluate(script)
    return np.array(values).reshape(height, width)


# Every kind of model


def test_a_drawn_stroke_is_a_one_and_the_answer_is_the_services(visit: Open, zoo: Any, tmp_path: Path) -> None:
    page = visit(zoo, PICTURES)
    stroke(page)
    expect(headline(page)).to_contain_text("1 · ")
    page.wait_for_timeout(200)  # for the answer to the stroke's end
    with page.expect_download() as download:
        page.get_by_text("Save picture.png").click()
    download.value.save_as(tmp_path / "picture.png")
    picture = Image.open(tmp_path / "picture.png")
    assert (picture.size, picture.getextrema()[0]) == ((28, 28), (0, 255))
    expect_answer(page, predict(zoo, PICTURES, (tmp_path / "picture.png").read_bytes(), "image/png"))
    rows = np.flatnonzero(np.asarray(picture.convert("L")).max(axis=1))
    assert 3 <= rows[0] <= 5, "drawn digits are laid as the examples lie, 20 rows high in the middle of 28"
    assert 22 <= rows[-1] <= 24
    page.get_by_role("button", name="Clear").click()
    expect(headline(page)).to_contain_text("Draw on the pad")
    assert pixels(page, ".pad").max() == 0


@pytest.mark.parametrize(("model", "label"), [(PICTURES, "7"), (NUMBERS, "3"), (SERIES, "speaker 4"), (CODES, "5")])
def test_an_example_gets_the_answer_of_the_service(visit: Open, zoo: Any, model: str, label: str) -> None:
    page = visit(zoo, model)
    page.get_by_role("button", name=f"Example {label}", exact=True).click()
    prediction = predict(zoo, model, json.dumps({"instances": [example(zoo, model, label)]}))
    if model != CODES:
        expect_answer(page, prediction)
        return
    expect(page.locator(".fact")).to_contain_text(f"squared error {prediction['squared_error']:.3g}")
    sliders = page.locator(".slider input").evaluate_all("all => all.map((one) => Number(one.value))")
    assert np.abs(np.array(sliders) - prediction["mean"]).max() <= 0.026  # sliders move by 0.05


def test_sliders_decode_as_the_service_does(visit: Open, zoo: Any) -> None:
    page = visit(zoo, CODES)
    expect(page.locator(".slider")).to_have_count(16)
    page.locator(".slider input").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "End", "ArrowLeft"):
        page.keyboard.press(key)
    page.locator(".slider input").nth(5).focus()
    page.keyboard.press("Home")
    assert page.locator(".slider output").all_inner_texts()[:6] == ["3.95", "0.00", "0.00", "0.00", "0.00", "-4.00"]
    code = [3.95, 0, 0, 0, 0, -4] + [0] * 10
    body = {"inputs": [{"name": "z", "shape": [1, 16], "datatype": "FP32", "data": code}]}
    logits = np.array(post(zoo, f"/v2/models/{CODES}.decode/infer", json.dumps(body))["outputs"][0]["data"])
    expected = 255 / (1 + np.exp(-logits.reshape(28, 28)))
    page.wait_for_timeout(300)  # for the picture of the last step
    assert np.abs(pixels(page, ".picture.large") - expected).max() <= 1
    expect(page.locator(".snippet").first).to_contain_text(f"/v2/models/{CODES}.decode/infer")
    page.get_by_role("button", name="Wander").click()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Wander").click()
    assert page.locator(".slider output").first.inner_text() != "3.95"


def test_pictures_are_drawn_by_their_seed(visit: Open, zoo: Any) -> None:
    page = visit(zoo, DRAWN)
    expect(page.locator(".drawn canvas")).to_have_count(9)
    page.locator("#input select").select_option("4")
    expect(page.locator(".drawn canvas")).to_have_count(4)
    page.get_by_role("spinbutton", name="Seed").fill("17")
    page.get_by_role("spinbutton", name="Seed").press("Enter")
    made = post(zoo, f"/v1/models/{DRAWN}/predict", json.dumps({"seed": 17, "count": 4}))["predictions"]
    captions = [f"real? {100 * one['realness']:.1f} %" for one in made]
    expect(page.locator(".drawn figcaption")).to_have_text(captions)
    expected = np.asarray(Image.open(io.BytesIO(base64.b64decode(made[2]["picture"].partition(",")[2]))))
    page.wait_for_timeout(300)  # for the last picture to be painted
    assert np.abs(pixels(page, ".drawn figure:nth-child(3) canvas") - expected).max() <= 1
    expect(page.locator(".slider")).to_have_count(64)


def test_a_series_is_typed_plotted_played_and_refused(visit: Open, zoo: Any) -> None:
    page = visit(zoo, SERIES, refusals=True)
    rows = example(zoo, SERIES, "speaker 2")
    text = "\n".join(",".join(map(str, row)) for row in rows)
    page.get_by_label("Series as CSV").fill(text)
    expect_answer(page, predict(zoo, SERIES, text, "text/csv"))
    expect(page.locator(".plot .sent")).to_have_count(12)
    page.get_by_role("slider", name="Steps sent").fill("3")
    expect(page.get_by_text(f"3 of {len(rows)} steps")).to_be_visible()
    expect_answer(page, predict(zoo, SERIES, "\n".join(text.splitlines()[:3]), "text/csv"))
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_text(f"{len(rows)} of {len(rows)} steps")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_label("Series as CSV").fill("1,2,3\n4,5")
    sentence = zoo.error("POST", f"/v1/models/{SERIES}/predict", "1,2,3\n4,5", {"Content-Type": "text/csv"})[1]
    expect(headline(page)).to_have_text(sentence)


def test_a_graph_is_drawn_coloured_joined_and_refused(visit: Open, zoo: Any) -> None:
    """The golden graph, two of whose nodes join and part again; then one that is written."""
    page = visit(zoo, GRAPHS)
    graph = zoo.json(f"/v1/models/{GRAPHS}/examples")["instances"][0]["instance"]
    page.get_by_role("button", name="Example 1").click()
    answers = predict(zoo, GRAPHS, json.dumps(graph))["nodes"]
    dots = page.locator(".plot circle")
    expect(dots).to_have_count(len(graph["nodes"]))
    expect(page.locator(".plot line")).to_have_count(len(graph["edges"]))
    for node in (0, 7, len(answers) - 1):
        expect(dots.nth(node)).to_have_attribute("aria-label", f"Node {node}: {answers[node]['label']}")
    page.get_by_label("Edit edges").check()
    lines, edges = page.locator(".plot line"), len(graph["edges"])
    change = -1 if [0, 7] in graph["edges"] else 1
    for count in (edges + change, edges):
        dots.nth(7).focus()
        page.keyboard.press("Enter")
        expect(page.locator("#answer .headline").first).to_have_text(re.compile("^Node 7: "))
        dots.nth(0).focus()
        page.keyboard.press("Enter")
        expect(lines).to_have_count(count)
    written = page.get_by_label("Graph as JSON")
    written.fill('{"nodes": [[3], [5]], "edges": [[0, 2]]}')
    expect(headline(page)).to_have_text("Edge 0 is no pair of node numbers from 0 to 1.")
    written.fill('{"nodes": [[3], [5]], "edges": [[0, 1]]}')
    expect(dots).to_have_count(2)
    [first, _] = predict(zoo, GRAPHS, written.input_value())["nodes"]
    expect(dots.nth(0)).to_have_attribute("aria-label", f"Node 0: {first['label']}")


def test_a_row_of_a_table_is_filled_in_and_answered(visit: Open, zoo: Any) -> None:
    page = visit(zoo, ROWS)
    row = example(zoo, ROWS, "not setosa")
    fields = page.locator("#input input")
    expect(fields).to_have_count(4)
    assert all(float(field.input_value()) > 0 for field in fields.all()), "the first example is there from the start"
    page.get_by_role("button", name="Example not setosa", exact=True).click()
    expect(headline(page)).to_have_text("not setosa")
    assert {field.get_attribute("aria-label"): float(field.input_value()) for field in fields.all()} == row
    page.get_by_label("petal length").fill("1.4")
    page.get_by_label("petal width").fill("0.2")
    expect(headline(page)).to_have_text("setosa")
    scores = predict(zoo, ROWS, json.dumps({"instances": [{**row, "petal length": 1.4, "petal width": 0.2}]}))["scores"]
    expect(page.locator(".scores td")).to_have_text([f"{score:.3g}" for score in scores.values()])
    page.get_by_label("petal width").fill("")
    expect(headline(page)).to_have_text("The column petal width has no number.")


def test_gates_that_are_on_are_named(visit: Open, zoo: Any) -> None:
    page = visit(zoo, FLAGS)
    for first, second, on in (("0", "0", "NAND, NOR"), ("1", "0", "OR, NAND, XOR"), ("1", "1", "OR, AND")):
        page.get_by_label("x1").fill(first)
        page.get_by_label("x2").fill(second)
        expect(headline(page)).to_have_text(on)


def test_a_value_stands_with_its_interval(visit: Open, zoo: Any) -> None:
    page = visit(zoo, VALUES)
    page.get_by_label("x", exact=True).fill("0.5")
    prediction = predict(zoo, VALUES, "0.5", "text/csv")
    low, high = (f"{end:.3g}" for end in prediction["interval_95"])
    expect(headline(page)).to_have_text(f"{prediction['value']:.3g} · 95 % between {low} and {high}")
    expect(page.locator(".fact")).to_have_text(f"standard deviation {prediction['standard_deviation']:.3g}")


def test_a_map_is_typed_drawn_and_refused(visit: Open, zoo: Any) -> None:
    page = visit(zoo, MAPS, refusals=True)
    text = page.get_by_label("Text", exact=True)
    assert "discount" in text.input_value(), "the first example is there from the start"
    text.fill("slip 0\n..G")
    prediction = predict(zoo, MAPS, "slip 0\n..G", "text/plain")
    assert prediction["arrows"] == ["→→G"]
    expect(page.locator("figure .picture")).to_have_count(1)
    page.wait_for_timeout(300)  # for the picture to be painted
    drawn = Image.open(io.BytesIO(base64.b64decode(prediction["picture"].partition(",")[2])))
    assert (np.abs(pixels(page, "figure .picture") - np.asarray(drawn.convert("RGB"))[..., 0]) <= 1).all()
    text.fill("..X")
    expect(headline(page)).to_contain_text("holds 'X'")
    page.get_by_role("button", name="Example 2", exact=True).click()
    expect(page.locator("figure .picture")).to_have_count(1)


def test_what_is_known_changes_what_is_likely(visit: Open, zoo: Any) -> None:
    """The worked diagnosis of seed 001: a symptom makes the disease 29.6 % likely."""
    page = visit(zoo, EVIDENCE)
    shares = page.locator("#answer .bars").first.locator(".share")
    page.get_by_label("symptom", exact=True).select_option("yes")
    expect(shares).to_have_text(["70.4 %", "29.6 %"])
    page.get_by_label("test", exact=True).select_option("positive")
    expect(shares).to_have_text(["11.1 %", "88.9 %"])
    page.get_by_role("button", name="Forget all").click()
    expect(shares).to_have_text(["95.0 %", "5.0 %"])


def test_an_episode_is_played_with_every_action_asked_for(visit: Open, zoo: Any) -> None:
    """From a tilt that no push undoes: on the page the pole falls in the step and to the angle that it does here."""
    page = visit(zoo, ACTIONS)
    first = {"cart position": 0.3, "cart velocity": -0.2, "pole angle": 0.1, "pole angular velocity": 2.0}
    for name, value in first.items():
        page.get_by_label(name, exact=True).fill(str(value))
    states, ended, count = np.array([list(first.values())]), [False], 0
    while not ended[0]:
        action = predict(zoo, ACTIONS, json.dumps(states[0].tolist()))["action"]
        if not count:
            expect(headline(page)).to_have_text(action)
        states, _, ended = cart_pole.step(states, np.array([action == "push right"]))
        count += 1
    page.get_by_role("button", name="Play an episode").click()
    expect(page.get_by_text(f"The pole fell after {count} steps.")).to_be_visible()
    shown = page.locator(".plot").get_attribute("aria-label")
    assert shown == f"Cart at {states[0, 0]:.2f} m, pole at {np.degrees(states[0, 2]):.1f}°"
    page.get_by_role("button", name="New start").click()
    expect(page.get_by_text("The pole fell")).to_be_hidden()
    assert abs(float(page.get_by_label("pole angle", exact=True).input_value())) <= 0.05


def test_a_picture_is_chosen_or_dropped(visit: Open, zoo: Any, tmp_path: Path) -> None:
    digit = np.array(example(zoo, PICTURES, "4"), np.uint8)
    Image.fromarray(255 - digit).resize((140, 140)).save(tmp_path / "four.png")  # dark on light
    page = visit(zoo, PICTURES)
    page.locator("input[type=file]").set_input_files(tmp_path / "four.png")
    expect_answer(page, predict(zoo, PICTURES, (tmp_path / "four.png").read_bytes(), "image/png"))
    expect(headline(page)).to_contain_text("4 · ")
    (tmp_path / "text.png").write_text("no picture")
    page.locator("input[type=file]").set_input_files(tmp_path / "text.png")
    expect(headline(page)).to_contain_text("choose a PNG or a JPEG")
    buffer = io.BytesIO()
    Image.fromarray(np.array(example(zoo, PICTURES, "9"), np.uint8)).save(buffer, "PNG")
    dropped = page.evaluate_handle(
        "(bytes) => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], 'nine.png', {type: 'image/png'})); return data; }",
        list(buffer.getvalue()),
    )
    page.dispatch_event(".pad", "drop", {"dataTransfer": dropped})
    expect(headline(page)).to_contain_text("9 · ")


def test_pictures_in_colours_are_drawn_chosen_and_answered(
    visit: Open, tiny: Any, serve: Callable[..., Any], tmp_path: Path
) -> None:
    server = serve(tiny.make_hub(tmp_path / "hub", "tiny-colours"), tmp_path / "log", "tiny-colours")
    try:
        wait_ready(server)
        page = visit(server)
        expect(headline(page)).to_contain_text("Drop a picture")
        page.locator("input[type=color]").fill("#00ff00")
        stroke(page)
        expect(headline(page)).to_contain_text("green")
        page.wait_for_timeout(200)  # for the answer to the stroke's end
        with page.expect_download() as download:
            page.get_by_text("Save picture.png").click()
        download.value.save_as(tmp_path / "drawn.png")
        red, green, blue = np.asarray(Image.open(tmp_path / "drawn.png").convert("RGB"), int).reshape(-1, 3).T
        assert ((green == 255) & (red == blue) & (red < 255)).any()
        Image.new("RGB", (20, 20), (250, 20, 10)).save(tmp_path / "red.png")
        page.locator("input[type=file]").set_input_files(tmp_path / "red.png")
        expect(headline(page)).to_contain_text("red")
        expect_answer(page, predict(server, "tiny-colours", (tmp_path / "red.png").read_bytes(), "image/png"))
        page.close()  # or it would ask a service that has stopped
    finally:
        server.stop()


def test_a_task_without_a_panel_has_the_form_of_its_ports(visit: Open, zoo: Any) -> None:
    def rename_task(page: Page) -> None:
        def answer(route: Any) -> None:
            document = zoo.json("/v1/models")
            document["models"] = [{**one, "task": "never-heard-of"} for one in document["models"] if one["name"] == SERIES]
            route.fulfill(json=document)

        page.route("**/v1/models", answer)

    page = visit(zoo, prepare=rename_task, refusals=True)
    text = page.get_by_label("Request as JSON").input_value()
    assert [tensor["name"] for tensor in json.loads(text)["inputs"]] == ["x", "length"]
    page.get_by_role("button", name="Send", exact=True).click()
    [output] = post(zoo, f"/v2/models/{SERIES}/infer", text)["outputs"]
    page.get_by_text("Whole answer as JSON").click()
    shown = json.loads(page.locator(".whole pre").inner_text())
    assert shown["outputs"][0] == output
    page.get_by_label("Request as JSON").fill('{"inputs": []}')
    page.get_by_role("button", name="Send", exact=True).click()
    expect(headline(page)).to_have_text(zoo.error("POST", f"/v2/models/{SERIES}/infer", '{"inputs": []}')[1])
    page.get_by_label("Request as JSON").fill("{")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(headline(page)).to_contain_text("This is no JSON")


# The same request from elsewhere


@pytest.mark.parametrize(("model", "label"), [(PICTURES, "2"), (NUMBERS, "8")])
def test_the_request_runs_as_curl_and_as_python(visit: Open, zoo: Any, tmp_path: Path, model: str, label: str) -> None:
    assert shutil.which("curl"), "This test runs curl; run `apt-get install -y curl`."
    page = visit(zoo, model, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Example {label}", exact=True).click()
    expect(headline(page)).to_contain_text(" · ")
    if page.get_by_text("Save picture.png").count():
        with page.expect_download() as download:
            page.get_by_text("Save picture.png").click()
        download.value.save_as(tmp_path / "picture.png")
    page.get_by_role("button", name="Copy curl").click()
    expect(page.get_by_role("button", name="Copy curl")).to_have_text("Copied")
    command = page.evaluate("navigator.clipboard.readText()")
    answer = json.loads(subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True).stdout)
    expect_answer(page, answer["predictions"][0])
    page.get_by_role("button", name="Copy Python").click()
    expect(page.get_by_role("button", name="Copy Python")).to_have_text("Copied")
    code = page.evaluate("navigator.clipboard.readText()")
    (tmp_path / "ask.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "ask.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True
    )
    assert eval(done.stdout) == answer["predictions"]


def test_tensors_as_python_are_what_was_sent(visit: Open, zoo: Any, tmp_path: Path) -> None:
    page = visit(zoo, SERIES)
    page.get_by_role("button", name="Raw tensors").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".numbers")).to_be_visible()
    code = page.get_by_label("Python", exact=True).inner_text()
    (tmp_path / "ask.py").write_text(code)
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "ask.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = json.loads(page.locator(".whole pre").text_content() or "")["outputs"][0]["data"]
    printed = eval(done.stdout, {"array": np.array, "float32": np.float32})["logits"]
    np.testing.assert_allclose(printed[0], shown, rtol=1e-6)


# Live


def test_the_charts_move(visit: Open, zoo: Any) -> None:
    page = visit(zoo, PICTURES)
    page.get_by_role("button", name="Example 6", exact=True).click()
    expect(headline(page)).to_contain_text(" · ")
    before = zoo.json(f"/v2/models/{PICTURES}/stats")["model_stats"][0]["inference_count"]
    page.get_by_role("button", name="Keep sending").click()
    throughput, rows, latency = page.locator(".chart").all()
    expect(throughput.locator(".now")).to_have_text(re.compile(r"^[1-9][\d,.]* rows/s$"))
    expect(rows.locator(".now")).to_have_text(re.compile(r"^[1-9][\d.]*$"))
    expect(latency.locator(".now")).to_have_text(re.compile(r"ms median$"))
    drawn = throughput.locator(".line").get_attribute("points")
    page.wait_for_timeout(1500)
    assert throughput.locator(".line").get_attribute("points") != drawn
    assert latency.locator(".dot").count() > 10
    page.get_by_role("button", name="Stop sending").click()
    page.wait_for_timeout(500)
    after = zoo.json(f"/v2/models/{PICTURES}/stats")["model_stats"][0]["inference_count"]
    assert after - before > 10
    page.wait_for_timeout(300)
    assert zoo.json(f"/v2/models/{PICTURES}/stats")["model_stats"][0]["inference_count"] == after


def test_a_model_that_is_loaded_meanwhile_appears(visit: Open, zoo: Any) -> None:
    def hide_one(page: Page) -> None:
        models, stats = zoo.json("/v1/models"), zoo.json("/v2/models/stats")
        models["models"] = [one for one in models["models"] if one["name"] != SERIES]
        stats["model_stats"] = [one for one in stats["model_stats"] if one["name"] != SERIES]
        page.route("**/v1/models", lambda route: route.fulfill(json=models))
        page.route("**/v2/models/stats", lambda route: route.fulfill(json=stats))

    count = len(zoo.json("/v1/models")["models"])
    page = visit(zoo, PICTURES, prepare=hide_one)
    expect(page.locator("#model-list a")).to_have_count(count - 1)
    stroke(page)
    expect(headline(page)).to_contain_text("1 · ")
    page.wait_for_timeout(1100)  # for a look at the statistics
    page.unroute_all()
    expect(page.locator("#model-list a")).to_have_count(count)
    expect(headline(page)).to_contain_text("1 · ")  # what was drawn stays


def test_a_service_that_is_not_ready_says_why_until_it_is(visit: Open, zoo: Any) -> None:
    def start_late(page: Page) -> None:
        page.route("**/v1/models", lambda route: route.fulfill(json={"service": "zoo", "models": []}))
        page.route("**/health/ready", lambda route: route.fulfill(status=503, json={"error": "Not proven yet."}))

    page = visit(zoo, prepare=start_late, refusals=True)
    expect(page.locator("#notice")).to_have_text("Not proven yet.")
    page.unroute_all()
    expect(page.locator("h1")).to_contain_text(min(MODELS))
    expect(page.locator("#notice")).to_be_hidden()


# For everybody


def test_everything_can_be_done_by_keyboard(visit: Open, zoo: Any) -> None:
    page = visit(zoo, SERIES)
    expect(page.locator("h1")).to_contain_text(SERIES)
    tab_to(page, f'a[href="#{PICTURES}"]')
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(PICTURES)
    tab_to(page, "canvas.pad")
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    expect(headline(page)).to_contain_text("1 · ")
    page.keyboard.press("Delete")
    expect(headline(page)).to_contain_text("Draw on the pad")
    tab_to(page, '[aria-label="Example 3"]')
    page.keyboard.press("Enter")
    expect(headline(page)).to_contain_text("3 · ")
    tab_to(page, "#repeat")
    page.keyboard.press("Space")
    expect(page.locator("#repeat")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    expect(page.locator("#repeat")).to_have_attribute("aria-pressed", "false")


def test_narrow_screens_need_no_scrolling_sideways(visit: Open, zoo: Any) -> None:
    page = visit(zoo, PICTURES, viewport={"width": 360, "height": 740}, has_touch=True)
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.2), *(("touchMove", 0.2 + step / 20) for step in range(1, 13))):
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + share * box["height"]}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(headline(page)).to_contain_text("1 · ")
    for model in MODELS:
        page.get_by_role("combobox", name="Model").select_option(model)
        expect(page.locator("h1")).to_contain_text(model)
        page.get_by_role("button", name="Another seed" if model == DRAWN else "Example").first.click()
        expect(page.locator(".snippet")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="Raw tensors").click()
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator(".numbers").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_schemes_and_motion_follow_the_system(visit: Open, zoo: Any) -> None:
    def ground(page: Page) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colour.removeprefix("rgb(").split(",")[0])

    light = visit(zoo, PICTURES, color_scheme="light")
    dark = visit(zoo, PICTURES, color_scheme="dark", reduced_motion="reduce")
    assert ground(light) > 200
    assert ground(dark) < 50
    durations = []
    for page in (light, dark):
        page.get_by_role("button", name="Example 0", exact=True).click()
        durations.append(page.locator(".fill").first.evaluate("(bar) => getComputedStyle(bar).transitionDuration"))
    assert durations == ["0.15s", "0s"]


def test_a_key_is_asked_for_sent_and_not_kept(visit: Open, hub: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    server = serve(hub, tmp_path / "log", "tiny-code", "tiny-picture", ZOO_API_KEYS=hash_of(KEY))
    try:
        wait_ready(server)
        page = visit(server, refusals=True)
        expect(page.locator("#notice")).to_have_text(server.error("GET", "/v1/models")[1])
        expect(page.locator("#status")).to_have_text("needs an API key")
        page.keyboard.type("wrong")  # the field has the focus
        page.keyboard.press("Enter")
        expect(page.locator("#key-value")).to_be_focused()
        page.locator("#key-value").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_contain_text("tiny-code")
        expect(page.locator("#notice")).to_be_hidden()
        page.get_by_role("button", name="Raw tensors").click()
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator(".numbers")).to_have_text(re.compile(r"\d"))
        assert "Bearer $ZOO_API_KEY" in page.locator(".snippet").first.inner_text()
        assert KEY not in page.content()
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        page.close()  # or it would ask a service that has stopped
    finally:
        server.stop()


# Over HTTP


def test_files_come_with_their_type_a_tag_and_a_policy(server: Any) -> None:
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in (ROOT / "serving/playground/static").iterdir():
        url = "/" if path.name == "index.html" else f"/playground/{path.name}"
        status, headers, body = server.request("GET", url)
        assert (status, body) == (200, path.read_bytes())
        assert headers["content-type"].split(";")[0] == types[path.suffix]
        assert "default-src 'self';" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        again = server.request("GET", url, headers={"If-None-Match": f'"other", W/{headers["etag"]}'})
        assert (again[0], again[2], again[1]["etag"]) == (304, b"", headers["etag"])
        assert server.request("GET", url, headers={"If-None-Match": '"other"'})[0] == 200
    assert server.error("GET", "/playground/index.html")[0] == 404
    assert server.error("GET", "/playground/..%2froutes.py")[0] == 404
    assert server.error("POST", "/", "x")[0] == 405


@pytest.mark.parametrize("fixture", ["zoo", "server"])
def test_every_example_is_answered(request: pytest.FixtureRequest, fixture: str) -> None:
    service = request.getfixturevalue(fixture)
    for model in service.json("/v1/models")["models"]:
        examples = service.json(model["examples"])
        for one in examples["instances"]:
            assert post(service, model["predict"], json.dumps({"instances": [one["instance"]]}))["predictions"]
        for graph in model["graphs"]:
            answer = post(service, graph["infer"], json.dumps({"inputs": examples["tensors"][graph["name"]]}))
            assert [output["name"] for output in answer["outputs"]] == [port["name"] for port in graph["outputs"]]
    assert service.error("GET", "/v1/models/nobody/examples")[0] == 404


def test_examples_are_golden_samples_of_each_class(zoo: Any) -> None:
    for model, labels in ((PICTURES, list("0123456789")), (SERIES, [f"speaker {number}" for number in range(1, 10)])):
        examples = zoo.json(f"/v1/models/{model}/examples")
        assert [one["label"] for one in examples["instances"]] == labels
    assert np.array(example(zoo, PICTURES, "0")).shape == (28, 28)
    assert zoo.json(f"/v1/models/{CODES}/examples")["tensors"]["decode"][0]["shape"] == [1, 16]


def test_the_page_is_in_the_wheel() -> None:
    packed = {Path(file.distribution_path).as_posix() for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    names = [path.name for path in (ROOT / "serving/playground/static").iterdir()]
    assert {f"serving/playground/static/{name}" for name in names} <= packed
