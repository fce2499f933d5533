"""The playground's form for answers that grow, in headless Chromium over the real service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
GENERATE = "/v2/models/tiny-text/generate"


@pytest.fixture
def page(server: Any) -> Iterator[Page]:
    """The page of the tiny decoder; its console must be clean at the end, and nothing may be asked of anybody else."""
    assert Path(CHROMIUM).exists(), "This test drives Chromium; run `apt-get install -y chromium`."
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda asked: None if server.address in asked.url else problems.append(asked.url))
        page.goto(f"http://{server.address}/#tiny-text")
        yield page
        browser.close()
    assert [problem for problem in problems if "status of 400" not in problem] == []


def generate(server: Any, **body: Any) -> str:
    return json.loads(server.request("POST", GENERATE, json.dumps(body), {"Content-Type": "application/json"})[2])[
        "text_output"
    ]


def test_a_text_grows(page: Page, server: Any) -> None:
    page.get_by_label("Text", exact=True).fill("abc")
    page.get_by_label("Tokens at most").fill("30")
    page.get_by_label("Temperature").fill("0.7")
    page.get_by_label("Seed").fill("5")
    page.get_by_role("button", name="Generate").click()
    text = generate(server, text_input="abc", max_tokens=30, temperature=0.7, seed=5)
    expect(page.locator("#answer .grown")).to_have_text("abc" + text, use_inner_text=False)
    expect(page.locator("#answer .headline")).to_have_text(re.compile(r"30 tokens, [\d,.]+ a second, as long as asked for"))
    code = 'for piece in client.stream("tiny-text", "abc", max_tokens=30, temperature=0.7, seed=5):'
    expect(page.locator("#snippets")).to_contain_text(code)
    expect(page.locator("#snippets")).to_contain_text("curl -N")
    word = next(word for word in text.split()[1:] if len(word) > 1)
    page.get_by_label("Stop words").fill(word)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#answer .headline")).to_contain_text("ended")
    assert page.locator("#answer .grown").text_content() == "abc" + text[: text.index(word)]


def test_it_begins_with_an_example(page: Page, server: Any) -> None:
    examples = {"instances": [{"label": None, "instance": list("bad café".encode())}], "tensors": {}}
    page.route("**/v1/models/tiny-text/examples", lambda route: route.fulfill(json=examples))
    page.reload()
    expect(page.get_by_label("Text", exact=True)).to_have_value("bad café")


def test_it_stops_when_told_and_says_what_is_wrong(page: Page, server: Any) -> None:
    page.get_by_label("Tokens at most").fill("4096")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    page.get_by_label("Tokens at most").fill("5000")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#answer .headline.bad")).to_contain_text("max_tokens is 5000")
    page.get_by_role("button", name="Raw tensors").click()
    expect(page.locator("#input textarea")).to_have_value(re.compile("past_sum"))
