"""The gallery: what is written, and how it behaves in headless Chromium from a folder and over HTTP."""

import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

import zoo
from zoo.cards.intervals import wilson_interval
from zoo.cards.measured import measured
from zoo.errors import UsageError
from zoo.gallery import write_gallery
from zoo.gallery.axes import Axis, around
from zoo.hub import EMBEDDED, Hub
from zoo.manifest import CARD

CHROMIUM = "/usr/bin/chromium"
NAMES = zoo.names()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return write_gallery(Hub(EMBEDDED), tmp_path_factory.mktemp("site") / "gallery").parent


@pytest.fixture(scope="module")
def browser():
    assert Path(CHROMIUM).exists(), "This test drives Chromium; run `apt-get install -y chromium`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(site):
    """The site over HTTP, and the paths that were asked for."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def visit(browser):
    """Opens pages; at the end nothing may have been asked of anybody else, nothing missing, and the console clean."""
    contexts, asked, problems = [], [], []

    def open_page(root, path="index.html", **options):
        root = root.as_uri() if isinstance(root, Path) else root
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append((root, request.url)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"{root}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for root, url in asked if not url.startswith(f"{root}/")] == []
    assert problems == []


@pytest.fixture(params=["file", "http"])
def place(request, site, server):
    return site if request.param == "file" else server


def plotted():
    """Models that have a dot: those whose metric another one has too."""
    metrics = {name: next(iter(Hub(EMBEDDED).artifact(name).manifest.metrics)) for name in NAMES}
    return [name for name in NAMES if list(metrics.values()).count(metrics[name]) > 1]


def shown(page):
    return page.locator(".tile:visible").evaluate_all("tiles => tiles.map((tile) => tile.dataset.model)")


# The first page


def test_every_model_has_a_tile_with_its_figures(visit, place):
    page = visit(place)
    assert shown(page) == NAMES
    for name in NAMES:
        manifest = Hub().artifact(name).manifest
        metric = manifest.training["metric"]
        tile = page.locator(f'.tile[data-model="{name}"]')
        expect(tile).to_contain_text(f"{manifest.metrics[metric]:.4f}")
        expect(tile).to_contain_text(manifest.data["licence"])
    low, high = wilson_interval(0.9957, 10_000)
    expect(page.locator('.tile[data-model="convnet-mnist"]')).to_contain_text(f"{low:.4f} to {high:.4f}")
    page.locator(".tile h3 a").first.click()
    expect(page.locator("h1")).to_contain_text(NAMES[0])


def test_search_and_task_filter_tiles_and_plot(visit, place):
    page = visit(place)
    page.get_by_label("Search").fill("8x8 digits CC BY 4")
    found = [name for name in NAMES if "8x8 digits" in Hub().artifact(name).manifest.summary]
    assert 0 < len(found) < len(NAMES)
    assert shown(page) == found
    expect(page.locator("#count")).to_have_text(f"{len(found)} of {len(NAMES)} models")
    faint = page.locator(".dot.faint").evaluate_all("dots => dots.map((dot) => dot.dataset.model)")
    assert sorted(faint) == [name for name in plotted() if name not in found]
    page.get_by_label("Search").fill("")
    page.get_by_label("Task").select_option("series-classification")
    assert shown(page) == ["lstm-japanese-vowels"]
    page.get_by_label("Search").fill("Multi-layer perceptron")
    expect(page.get_by_text("No model has all these words")).to_be_visible()
    page.get_by_label("Task").select_option("all tasks")
    assert shown(page) == ["mlp-mnist"]
    expect(page.get_by_text("No model has all these words")).to_be_hidden()


def test_dots_lie_where_accuracy_and_latency_put_them(visit, site):
    page = visit(site)
    script = (
        "circles => circles.map(({ parentNode, cx, cy }) => [parentNode.dataset.model, cx.baseVal.value, cy.baseVal.value])"
    )
    places = {name: (x, y) for name, x, y in page.locator(".dot circle").evaluate_all(script)}
    hub = Hub(EMBEDDED)
    assert sorted(places) == plotted()
    expected = [name for name in NAMES if "accuracy" in hub.artifact(name).manifest.metrics]
    graphs = {name: measured(hub.artifact(name), "inference")["ms"] for name in expected}
    speed = {name: sum(sizes["1"]["onnx"] for sizes in found.values()) for name, found in graphs.items()}
    accuracy = {name: hub.artifact(name).manifest.metrics["accuracy"] for name in expected}
    assert sorted(expected, key=lambda name: places[name][0]) == sorted(expected, key=speed.__getitem__)
    assert sorted(expected, key=lambda name: -places[name][1]) == sorted(expected, key=accuracy.__getitem__)
    expect(page.locator(".notes")).to_contain_text("vae-mnist has a metric of its own: elbo -104.5975")
    page.locator('.dot[data-model="mlp-mnist"] circle').click()
    expect(page.locator("h1")).to_contain_text("mlp-mnist")


def test_without_the_script_everything_is_there(visit, site):
    page = visit(site, java_script_enabled=False)
    assert page.locator(".tile").count() == len(NAMES)
    assert all(page.locator(".tile").nth(k).is_visible() for k in range(len(NAMES)))


def test_the_keyboard_reaches_search_and_models(visit, site):
    page = visit(site)
    reached = []
    for _ in range(30 + len(NAMES)):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('href')"))
    assert {"search", "task", "#models", "models/vae-mnist.html"} <= set(reached)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
@pytest.mark.parametrize("path", ["index.html", "models/convnet-mnist.html"])
def test_colours_follow_the_system_and_text_stands_out(visit, site, path, scheme, dark):
    page = visit(site, path, color_scheme=scheme)
    ground = luminance(page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor"))
    assert (ground < 0.2) == dark
    for selector in (".card p", ".card a", ".quiet, .about p, th", ".chart text"):
        style = page.locator(selector).first.evaluate("one => [getComputedStyle(one).color, getComputedStyle(one).fill]")
        letters = luminance(style[1] if selector == ".chart text" else style[0])
        light, deep = max(ground, letters), min(ground, letters)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, selector  # WCAG 2, level AA


def luminance(colour):
    """Relative luminance of a CSS colour (WCAG 2)."""
    parts = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("path", ["index.html", *(f"models/{name}.html" for name in NAMES)])
def test_nothing_is_wider_than_a_narrow_screen(visit, site, path):
    page = visit(site, path, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


# Cards as pages


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_whole_card(visit, site, name):
    page = visit(site, f"models/{name}.html")
    card = (EMBEDDED / name / CARD).read_text(encoding="utf-8")
    assert page.locator("main h2").all_text_contents() == re.findall(r"^## (.*)$", card, re.MULTILINE)
    manifest = Hub().artifact(name).manifest
    assert page.locator(".flow b").all_inner_texts() == [graph.name for graph in manifest.graphs]
    assert page.locator(".flow li strong").count() == sum(len(g.inputs) + len(g.outputs) for g in manifest.graphs)
    assert page.locator("main .chart svg").count() == card.count("xychart-beta")
    assert "mermaid" not in page.inner_text("main")
    images = page.locator("main img").evaluate_all("all => all.map((one) => one.complete && one.naturalWidth)")
    assert len(images) == card.count("](pictures/")
    assert all(images)


def test_right_and_wrong_answers_are_shaded(visit, site):
    page = visit(site, "models/softmax-digits.html")
    right = page.locator(".matrix td[class^=right]").all_inner_texts()
    wrong = page.locator(".matrix td[class^=wrong]").all_inner_texts()
    assert len(right) == 10
    assert sum(map(int, right)) == 347  # of 359: 0.9666
    assert sum(map(int, wrong)) == 12


def test_a_curve_ends_where_training_did(visit, site):
    page = visit(site, "models/convnet-mnist.html")
    points = page.locator(".chart polyline").first.get_attribute("points").split()
    assert len(points) == 30
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[-1] > heights[0]  # the loss falls, the paper's axis points down


def test_a_card_from_elsewhere_can_do_no_harm(visit, tmp_path):
    hub = tmp_path / "hub"
    shutil.copytree(EMBEDDED / "softmax-digits", hub / "softmax-digits")
    card = "# softmax-digits v1\n\n<script>alert(1)</script>\n\n## Part\n\n"
    card += "![outside](http://192.0.2.1/x.png) ![up](pictures/../../../x.png) [go](javascript:alert(1))\n\n"
    card += '```mermaid\nflowchart LR\n g0i0(["<img src=x onerror=alert(1)><br>y"]) --> g0["<b>p"]\n```\n'
    (hub / "softmax-digits" / CARD).write_text(card)
    Hub(hub, trust_unsigned=True).write_index()
    page = visit(write_gallery(Hub(hub, trust_unsigned=True), tmp_path / "out").parent, "models/softmax-digits.html")
    assert page.locator("main img, main script").count() == 0
    assert page.locator('a[href^="javascript"]').count() == 0
    expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator(".flow li strong")).to_have_text("<img src=x onerror=alert(1)>")


# Files


def test_a_gallery_is_replaced_and_nothing_else_is(site, tmp_path):
    out = tmp_path / "site"
    shutil.copytree(site, out)
    (out / "models" / "gone.html").write_text("")
    write_gallery(Hub(EMBEDDED), out)
    assert not (out / "models" / "gone.html").exists()
    assert json.loads((out / "gallery.json").read_text())["models"] == NAMES
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for taken in (tmp_path / "mine", tmp_path / "mine" / "thesis.tex"):
        with pytest.raises(UsageError, match="holds something that is no gallery; name a new folder"):
            write_gallery(Hub(EMBEDDED), taken)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "site"]


def test_a_hub_without_models_is_a_sentence(tmp_path):
    (tmp_path / "hub").mkdir()
    with pytest.raises(UsageError, match="has no models"):
        write_gallery(Hub(tmp_path / "hub", trust_unsigned=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_the_first_page(command, tmp_path):
    done = command("zoo", "gallery", "--out", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_axes_have_round_ticks():
    assert Axis(0.94, 1.003, 0, 1).ticks() == [0.94, 0.96, 0.98, 1.0]
    assert Axis(-138, -104, 0, 1).ticks() == [-130, -120, -110]
    assert Axis(0.004, 0.3, 0, 1, log=True).ticks() == pytest.approx([0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
    assert Axis(0.01, 1, 100, 300, log=True)(0.1) == pytest.approx(200)
    assert Axis(2, 4, 100, 0)(3) == 50
    assert around([1.0, 2.0], 0.1) == pytest.approx((0.9, 2.1))
    assert around([4.0, 4.0], 0.1) == pytest.approx((3.6, 4.4))
