"""Section of a card on how a model is run: command line, Python, HTTP."""

from __future__ import annotations

from zoo.cards.markdown import fence
from zoo.codecs import Codec
from zoo.errors import MediaTypeError, ZooError
from zoo.manifest import Manifest

INPUTS = {"picture.png": "image/png", "input.csv": "text/csv", "input.txt": "text/plain", "input.json": "application/json"}


def usage(manifest: Manifest, codec: Codec) -> str:
    name = manifest.model
    file, media_type = next(
        (one for one in INPUTS.items() if _reads(codec, one[1])), ("input.bin", "application/octet-stream")
    )
    python = f'import zoo\n\nmodel = zoo.load("{name}")\nprint(model.predict("{file}"))'
    curl = f"curl -H 'Content-Type: {media_type}' --data-binary @{file} http://127.0.0.1:3000/v1/models/{name}/predict"
    single = len(manifest.graphs) == 1
    routes = ", ".join(f"`/v2/models/{name if single else f'{name}.{graph.name}'}/infer`" for graph in manifest.graphs)
    parts = [
        "On the command line:",
        fence(f"zoo predict {name} {file}", "sh"),
        "In Python:",
        fence(python, "python"),
        f"Over HTTP, after `zoo serve {name} --port 3000`:",
        fence(curl, "sh"),
        f"Tensors go to {routes} (Open Inference Protocol v2). `zoo validate {name}` repeats the proof.",
    ]
    return "\n\n".join(parts)


def _reads(codec: Codec, media_type: str) -> bool:
    """Of a type that it does not know a codec says so before it looks at the bytes."""
    try:
        codec.read(b"", media_type)
    except MediaTypeError:
        return False
    except ZooError:
        return True
    return True
