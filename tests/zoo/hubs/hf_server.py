"""The part of the Hugging Face hub's API that huggingface_hub's file system uses, over a folder.

https://huggingface.co/docs/hub/api and huggingface_hub's own requests: repository, tree, resolve, preupload, commit.
"""

import base64
import json
import re

from tests.zoo.hubs.servers import Troublesome, TroublesomeServer

REPOSITORY = "somebody/zoo"


class HuggingFace(Troublesome):
    def do_GET(self):  # noqa: N802
        path = self.path.split("?")[0]
        self.note(path)
        resolved = re.fullmatch(rf"/{REPOSITORY}/resolve/main/(.+)", path)
        if resolved:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            self.send_range(resolved[1], wanted)
        elif path in (f"/api/models/{REPOSITORY}", f"/api/models/{REPOSITORY}/revision/main"):
            self.json({"id": REPOSITORY, "sha": "0" * 40, "siblings": [], "private": False})
        elif path.startswith(f"/api/models/{REPOSITORY}/tree/main"):
            self.json(self.tree(path.split("/tree/main", 1)[1].strip("/")))
        else:
            self.json({"error": "not found"}, 404, X_Error_Code="RepoNotFound")

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.note(self.path)
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self.json({"files": files})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    target = self.server.owner.root / item["value"]["path"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(base64.b64decode(item["value"]["content"]))
            self.json({"commitUrl": f"http://{self.headers['Host']}/{REPOSITORY}/commit/{'0' * 40}", "commitOid": "0" * 40})
        else:
            self.json({"error": "not found"}, 404)

    def note(self, path):
        with self.server.owner.lock:
            self.server.owner.requests.append(path)

    def tree(self, folder):
        root = self.server.owner.root
        return [
            {"type": "file", "path": path.relative_to(root).as_posix(), "size": path.stat().st_size, "oid": "0" * 40}
            for path in sorted((root / folder).glob("*"))
            if path.is_file()
        ]

    def send_range(self, name, wanted):
        path = self.server.owner.root / name
        if not path.is_file():
            self.json({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
            return
        content = path.read_bytes()
        first, last = (int(wanted[1]), int(wanted[2] or len(content) - 1)) if wanted else (0, len(content) - 1)
        extra = {"Content_Range": f"bytes {first}-{last}/{len(content)}"} if wanted else {}
        self.answer(206 if wanted else 200, content[first : last + 1], ETag='"0"', X_Repo_Commit="0" * 40, **extra)

    def json(self, document, status=200, **headers):
        self.answer(status, json.dumps(document).encode(), Content_Type="application/json", **headers)


class HuggingFaceServer(TroublesomeServer):
    handler = HuggingFace
