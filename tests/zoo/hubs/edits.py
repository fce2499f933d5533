"""What a test looks up in a hub's folder, or changes there."""

import json


def blob_of(root, model="tiny", name="weights.bin", version=None):
    """Path of the blob of a file of a model in a hub's folder."""
    listing = json.loads((root / "index.json").read_bytes())["models"][model]
    entry = listing["versions"][str(version or listing["latest"])]
    return root / entry["files"][name]["sha256"]


def rewrite_index(root, change, serial=1):
    """Let `change` edit the index's document; it stays unsigned."""
    document = json.loads((root / "index.json").read_bytes())
    document["serial"] += serial
    change(document)
    (root / "index.json").write_text(json.dumps(document, separators=(",", ":")))


def entry_of(document, model="tiny"):
    listing = document["models"][model]
    return listing["versions"][str(listing["latest"])]
