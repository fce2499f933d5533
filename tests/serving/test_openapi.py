"""The OpenAPI document says what the service does, and the page that shows it loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def document(server: Any) -> Any:
    return server.json("/openapi.json")


def resolve(document: Any, value: Any) -> Any:
    """`value` with every reference replaced by what it stands for."""
    if isinstance(value, dict) and "$ref" in value:
        target = document
        for key in value["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        return resolve(document, target)
    if isinstance(value, dict):
        return {key: resolve(document, one) for key, one in value.items()}
    return [resolve(document, one) for one in value] if isinstance(value, list) else value


def request_schema(document: Any, path: str) -> Any:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    return Draft202012Validator(resolve(document, content["application/json"]["schema"]))


def filled(path: str, item: Any) -> str:
    """The path with a value for each of its parameters."""
    files = {"/playground/{file}": "/playground/icon.svg", "/static_content/{file}": "/static_content/swagger-ui.css"}
    for parameter in item.get("parameters", ()):
        if "enum" in parameter["schema"]:
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
    return files.get(path, path).replace("{model}", "nobody")


def test_the_document_is_valid(document: Any) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if "operationId" in operation
    ]
    assert len(set(names)) == len(names)


def test_every_documented_route_answers_as_documented(server: Any, document: Any) -> None:
    seen = 0
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post"}:
            body = {"get": None, "post": "{}"}[method]
            status, headers, answer = server.request(
                method.upper(), filled(path, item), body, {"Content-Type": "application/json"}
            )
            responses = resolve(document, item[method]["responses"])
            assert str(status) in responses, (method, path, status, answer[:200])
            assert status == 200 or method == "post", (path, status)
            check_answer(responses[str(status)], headers, answer)
            seen += 1
    assert seen > 40


def check_answer(response: Any, headers: Any, answer: bytes) -> None:
    content = response.get("content", {})
    if "application/json" in content:
        assert headers["content-type"].startswith("application/json")
        Draft202012Validator(content["application/json"]["schema"]).validate(json.loads(answer))
    elif content and "*/*" not in content:
        assert headers["content-type"].partition(";")[0] in content


def test_every_route_of_the_service_is_documented(document: Any) -> None:
    """Routes are those of the application and of BentoML around it, as Starlette has them."""
    from serving.app import OursFirst
    from serving.service import Zoo

    asgi = Zoo.to_asgi()
    while not hasattr(asgi, "routes"):
        asgi = asgi.theirs if isinstance(asgi, OursFirst) else asgi.app
    found = set(routes_of(asgi.routes))
    assert ("GET", "/v2/health/ready") in found
    assert ("POST", "/predict") in found
    patterns = [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))))
        for path, item in document["paths"].items()
        for method in item
    ]
    for method, route in sorted(found):
        example = route
        for name, value in (("{model}", "tiny-picture"), ("{version}", "1"), ("{path:path}", "some.css")):
            example = example.replace(name, value)
        assert any(method == verb and pattern.fullmatch(example) for verb, pattern in patterns), (method, route)


def routes_of(routes: Any, prefix: str = "") -> Any:
    for route in routes:
        if methods := getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in methods if method != "HEAD")
        elif nested := getattr(route, "routes", None) or getattr(getattr(route, "app", None), "routes", None):
            yield from routes_of(nested, prefix + route.path.rstrip("/"))
        elif hasattr(route, "app"):
            yield "GET", f"{prefix}{route.path}/{{path:path}}"


def tensor(**changes: Any) -> Any:
    return {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4], **changes}]}


@pytest.mark.parametrize(
    ("path", "request_body", "fits"),
    [
        ("/v2/models/tiny-picture/infer", tensor(), True),
        ("/v2/models/tiny-picture.predict/versions/1/infer", tensor(data=[[1, 2, 3, 4]]), True),
        ("/v2/models/tiny-picture/infer", {**tensor(), "id": "a", "outputs": [{"name": "logits"}]}, True),
        ("/v2/models/tiny-picture/infer", {**tensor(), "outputs": [{"name": "x"}]}, False),
        ("/v2/models/tiny-picture/infer", tensor(shape=[0, 4]), False),
        ("/v2/models/tiny-picture/infer", tensor(shape=[1, 5]), False),
        ("/v2/models/tiny-picture/infer", tensor(shape=[4]), False),
        ("/v2/models/tiny-picture/infer", tensor(datatype="FP64"), False),
        ("/v2/models/tiny-picture/infer", tensor(data=["1", 2, 3, 4]), False),
        ("/v2/models/tiny-picture/infer", tensor(name="y"), False),
        ("/v2/models/tiny-picture/infer", {"inputs": []}, False),
        ("/v2/models/tiny-series/infer", tensor(), False),
        ("/v1/models/tiny-picture/predict", [[0, 1, 2, 3]], True),
        ("/v1/models/tiny-picture/predict", {"instances": [[0, 1, 2, 3]]}, True),
        ("/v1/models/tiny-picture/predict", {"rows": []}, False),
        ("/predict", {"model": "tiny-picture", "instances": [[0, 1, 2, 3]]}, True),
        ("/predict", {"model": "nobody", "instances": [[0, 1, 2, 3]]}, False),
    ],
)
def test_schemas_say_what_the_service_takes(server: Any, document: Any, path: str, request_body: Any, fits: bool) -> None:
    assert request_schema(document, path).is_valid(request_body) is fits
    status, _, _ = server.request("POST", path, json.dumps(request_body), {"Content-Type": "application/json"})
    assert (status == 200) is fits


def test_the_examples_are_answered(server: Any, document: Any) -> None:
    answered = 0
    for path, item in document["paths"].items():
        if path.startswith("/v2/models/") and path.endswith("/infer"):
            schema = request_schema(document, path)
            [example] = schema.schema["examples"]
            schema.validate(example)
            status, headers, body = server.request("POST", path, json.dumps(example))
            assert status == 200
            check_answer(resolve(document, item["post"]["responses"]["200"]), headers, body)
            answered += 1
    assert answered == 20


def test_task_endpoints_list_what_their_codec_reads(document: Any) -> None:
    def media_types(model: str) -> set[str]:
        return set(document["paths"][f"/v1/models/{model}/predict"]["post"]["requestBody"]["content"])

    assert media_types("tiny-series") == {"application/json", "text/csv", "text/plain"}
    assert media_types("tiny-picture") == {"application/json", "text/csv", "text/plain", "image/png", "image/jpeg"}


def test_keys_are_asked_for_where_the_document_says_so(serve: Any, hub: Path, tmp_path: Path) -> None:
    from serving.keys import hash_of

    keys = {"ZOO_API_KEYS": hash_of("a key of a client"), "ZOO_ADMIN_KEYS": hash_of("a key of an admin")}
    locked = serve(hub, tmp_path / "log", "tiny-picture", **keys)
    try:
        document = locked.json("/openapi.json")
        for path, item in document["paths"].items():
            for method in item.keys() & {"get", "post"}:
                is_open = {} in item[method].get("security", document["security"])
                status, _, _ = locked.request(method.upper(), filled(path, item), None if method == "get" else "{}")
                assert (status != 401) is is_open, (method, path, status)
    finally:
        locked.stop()


def test_the_page_loads_nothing_from_elsewhere(server: Any) -> None:
    """In a real browser, which is also asked whether anything was kept from loading."""
    assert Path(CHROMIUM).exists(), "There is no chromium; run: apt-get install -y chromium"
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://{server.address}/docs")
        operations = page.locator(".opblock")
        operations.first.wait_for(timeout=20_000)
        paths = page.locator(".opblock-summary-path").all_inner_texts()
        operations.first.click()
        page.locator(".try-out").first.wait_for()
        browser.close()
    assert complaints == []
    assert f"http://{server.address}/openapi.json" in asked
    assert all(url.startswith((f"http://{server.address}/", "data:")) for url in asked), asked
    assert "/v2/models/tiny-picture/infer" in [path.replace("\u200b", "") for path in paths]


def test_the_page_could_load_nothing_from_elsewhere(server: Any) -> None:
    _, headers, body = server.request("GET", "/docs")
    assert not re.findall(rb"(?:https?:)?//", body)
    assert re.findall(r"(?:default|connect)-src ('\w+');", headers["content-security-policy"]) == ["'none'", "'self'"]


@pytest.mark.parametrize("path", ["/", "//", "/index.html", "/docs", "/docs/", "/static_content/", "/ui", "/?x=1"])
def test_the_page_of_bentoml_which_loads_a_tracker_cannot_be_reached(server: Any, path: str) -> None:
    _, _, body = server.request("GET", path)
    assert b"googletagmanager" not in body
    assert b"gtm.js" not in body
