"""A hub on this machine that speaks the Hugging Face Hub's protocol, for tests and trials.

    python tools/local_hub.py --port 8765 --folder /tmp/hub
    HF_ENDPOINT=http://127.0.0.1:8765 HF_HUB_DISABLE_XET=1 HF_TOKEN=hub_someone \
        genarium push runs/vae-digits-1 someone/vae-digits

What it knows: making repositories (private ones too), commits of files sent with them or by LFS's
basic transfer, revisions (branches, tags, commits), lists of files, and files themselves with
ranges. A token is `hub_` and the name of its owner, who may write to OWNER/... only. It keeps all
in files of a folder and listens on 127.0.0.1 alone. `trouble` makes it answer wrongly, for tests.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hub_"


class Repository:
    """A repository: commits (each the sums of all its files by name), and names of commits."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.file = folder / "repositories" / f"{name.replace('/', '--')}.json"

    def read(self) -> dict[str, Any] | None:
        return json.loads(self.file.read_text()) if self.file.is_file() else None

    def write(self, content: dict[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(content))


class LocalHub:
    """The server, in a thread of its own: `with LocalHub(folder) as hub: ... hub.address`.

    trouble: what goes wrong: "flip:NAME" turns a bit of files of that name, "short:NAME" sends half
    of them, "status:503" answers so to everything. requests: what was asked for.
    """

    def __init__(self, folder: Path, port: int = 0):
        self.folder, self.trouble = folder, ""
        self.requests: list[str] = []
        hub = self

        class Handler(Answer):
            store = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def environment(self, owner: str = "") -> dict[str, str]:
        """Variables by which the Hub's client comes here, with the token of `owner`."""
        settings = {"HF_ENDPOINT": self.address, "HF_HUB_DISABLE_XET": "1"}
        settings["HF_HUB_DISABLE_TELEMETRY"] = "1"
        return {**settings, **({"HF_TOKEN": TOKEN + owner} if owner else {})}

    # ------------------------------------------------------------------ what it keeps

    def repository(self, name: str) -> Repository:
        return Repository(self.folder, name)

    def keep(self, content: bytes) -> str:
        sum_ = hashlib.sha256(content).hexdigest()
        place = self.folder / "objects" / sum_
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return sum_

    def content(self, sum_: str) -> bytes:
        return (self.folder / "objects" / sum_).read_bytes()

    def commit(self, name: str, files: dict[str, str], branch: str = "main") -> str:
        """A commit of files (sums by name); gives its number."""
        repository = self.repository(name)
        about = repository.read()
        assert about is not None
        text = json.dumps([about["names"].get(branch), sorted(files.items())])
        number = hashlib.sha1(text.encode()).hexdigest()
        about["commits"][number] = files
        about["names"][branch] = number
        repository.write(about)
        return number


class Answer(BaseHTTPRequestHandler):
    """One request."""

    store: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    # ------------------------------------------------------------------ saying something

    def say(self, content: object = None, status: int = 200, **headers: str) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send(body, status, **{"Content-Type": "application/json", **headers})

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status: int, code: str = "", message: str = "") -> None:
        more = {"X-Error-Code": code} if code else {}
        self.say({"error": message or code}, status, **{**more, "X-Error-Message": message or code})

    # ------------------------------------------------------------------ reading what was asked

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    @property
    def user(self) -> str:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return given.removeprefix(TOKEN) if given.startswith(TOKEN) else ""

    def opened(self, name: str, revision: str | None = None, write: bool = False) -> Any:
        """(about, commit) of a repository; None where an error was answered."""
        about = self.store.repository(name).read()
        owner = name.partition("/")[0]
        if about is None or (about["private"] and self.user != owner):
            return self.fail(404 if self.user else 401, "RepoNotFound", "Repository not found")
        if write and self.user != owner:
            return self.fail(403, "", "you may not write here")
        if revision is None:
            return about, about["names"].get("main")
        number = about["names"].get(revision) or (
            revision if revision in about["commits"] else None
        )
        if number is None and not (write and revision == "main"):
            return self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return about, number

    def handle_any(self) -> None:
        body = self.body()
        path = unquote(urlsplit(self.path).path)
        self.store.requests.append(f"{self.command} {path}")
        if self.store.trouble.startswith("status:"):
            return self.fail(int(self.store.trouble.removeprefix("status:")))
        for method, form, answer in ROUTES:
            match = re.fullmatch(form, path)
            if match and self.command in method:
                return (
                    answer(self, *match.groups(), body)
                    if "P" in method
                    else answer(self, *match.groups())
                )
        return self.fail(404, "EntryNotFound", f"nothing is at {path}")

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    # ------------------------------------------------------------------ answers

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or self.user}/{asked['name']}"
        if not self.user:
            return self.fail(401, "", "Invalid username or password.")
        if self.user != name.partition("/")[0]:
            return self.fail(403, "", "You don't have the rights to create a model under this name")
        repository = self.store.repository(name)
        url = {"url": f"{self.store.address}/{name}"}
        if repository.read() is not None:
            return self.say(url, 409)
        repository.write(
            {"private": asked.get("visibility") == "private", "commits": {}, "names": {}}
        )
        self.store.commit(name, {})
        return self.say(url)

    def check_card(self, body: bytes) -> None:
        self.say({"errors": [], "warnings": []})

    def information(self, name: str, revision: str | None = None) -> None:
        if (opened := self.opened(name, revision)) is not None:
            about, number = opened
            files = about["commits"].get(number, {})
            siblings = [{"rfilename": file} for file in files]
            ids = {"_id": name, "id": name, "modelId": name, "sha": number}
            self.say({**ids, "private": about["private"], "siblings": siblings, "tags": []})

    def preupload(self, name: str, revision: str, body: bytes) -> None:
        if self.opened(name, revision, write=True) is not None:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self.say({"files": files})

    def large(self, name: str, body: bytes) -> None:
        objects = []
        for each in json.loads(body)["objects"]:
            href = f"{self.store.address}/objects/{each['oid']}"
            objects.append({**each, "actions": {"upload": {"href": href, "header": {}}}})
        self.say({"transfer": "basic", "objects": objects})

    def keep_large(self, sum_: str, body: bytes) -> None:
        if self.store.keep(body) != sum_:
            return self.fail(400, "", "the content does not have this SHA-256")
        return self.say({})

    def committed(self, name: str, revision: str, body: bytes) -> None:
        opened = self.opened(name, revision, write=True)
        if opened is None:
            return
        about, number = opened
        files = dict(about["commits"].get(number, {}))
        for line in body.splitlines():
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
            if key == "file":
                files[value["path"]] = self.store.keep(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                files[value["path"]] = value["oid"]
            elif key == "deletedFile":
                del files[value["path"]]
        number = self.store.commit(name, files, revision)
        url = f"{self.store.address}/{name}/commit/{number}"
        self.say({"success": True, "commitOid": number, "commitUrl": url})

    def tree(self, name: str, revision: str) -> None:
        if (opened := self.opened(name, revision)) is not None:
            about, number = opened
            entries = []
            for path, sum_ in about["commits"][number].items():
                size = len(self.store.content(sum_))
                entry: dict[str, Any] = {
                    "type": "file",
                    "path": path,
                    "size": size,
                    "oid": sum_[:40],
                }
                if path.endswith(".safetensors"):
                    entry["lfs"] = {"oid": sum_, "size": size, "pointerSize": 134}
                entries.append(entry)
            self.say(entries)

    def file(self, name: str, revision: str, path: str) -> None:
        opened = self.opened(name, revision)
        if opened is None:
            return
        about, number = opened
        sum_ = about["commits"][number].get(path)
        if sum_ is None:
            return self.fail(404, "EntryNotFound", f"{path} does not exist")
        content, status = self.store.content(sum_), 200
        headers = {"X-Repo-Commit": number, "ETag": f'"{sum_}"', "Accept-Ranges": "bytes"}
        headers["Content-Length"] = str(len(content))
        kind, _, named = self.store.trouble.partition(":")
        hit = named and path.endswith(named)
        if hit and kind == "flip":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked:
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
            headers["Content-Length"] = str(len(content))
        if hit and kind == "short":
            content = content[: len(content) // 2]
            self.close_connection = True
        return self.send(content, status, **headers)


NAME = r"([^/]+/[^/]+)"
ROUTES: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    (("POST", "P"), r"/api/repos/create", Answer.create),
    (("POST", "P"), r"/api/validate-yaml", Answer.check_card),
    (("POST", "P"), rf"/api/models/{NAME}/preupload/(.+)", Answer.preupload),
    (("POST", "P"), rf"/api/models/{NAME}/commit/(.+)", Answer.committed),
    (("POST", "P"), rf"/{NAME}\.git/info/lfs/objects/batch", Answer.large),
    (("PUT", "P"), r"/objects/([0-9a-f]{64})", Answer.keep_large),
    (("GET",), rf"/api/models/{NAME}/tree/([^/]+)/?", Answer.tree),
    (("GET",), rf"/api/models/{NAME}/revision/(.+)", Answer.information),
    (("GET",), rf"/api/models/{NAME}", Answer.information),
    (("GET", "HEAD"), rf"/{NAME}/resolve/([^/]+)/(.+)", Answer.file),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--port", type=int, default=8765, help="of 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps what it gets")
    args = parser.parse_args()
    hub = LocalHub(args.folder, args.port)
    for name, value in hub.environment("OWNER").items():
        print(f"export {name}={value}")
    print(f"serving {os.fspath(args.folder)} on {hub.address}; Ctrl-C ends it")
    try:
        hub.server.serve_forever()
    except KeyboardInterrupt:
        hub.server.server_close()


if __name__ == "__main__":
    main()
