"""Checkpoints by their name: from a hub of our own on this machine, since no real one is needed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.torch
constants = pytest.importorskip("huggingface_hub.constants")
pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export.hub import download, is_hub_name  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Answers as the hub does for one repository, own/street."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.sent = files, []


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = urlsplit(self.path).path
        named, api = "/own/street/resolve/", "/api/models/own/street/"
        files, status, body = self.server.files, 200, b""
        if path.startswith(named) and path.removeprefix(named).partition("/")[2] in files:
            name = path.removeprefix(named).partition("/")[2]
            body = files[name]
            if self.command == "GET":
                self.server.sent.append(name)
        elif path.startswith(f"{api}tree/"):
            body = json.dumps(
                [{"type": "file", "path": n, "size": len(b), "oid": "0"} for n, b in files.items()]
            ).encode()
        elif path in (f"{api}revision/main", f"{api}revision/v1"):
            siblings = [{"rfilename": name} for name in files]
            body = json.dumps({"id": "own/street", "sha": COMMIT, "siblings": siblings}).encode()
        else:
            status = 404
        self.send_response(status)
        if status == 404:
            missing = "RevisionNotFound" if path.startswith(api) else "RepoNotFound"
            self.send_header("X-Error-Code", missing)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def lie_at(address, monkeypatch):
    """Have the hub's client look there."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    files = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Start a hub; files are put into ``hub.files``."""
    with Hub({}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        lie_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield server
        server.shutdown()
        thread.join()


def test_a_checkpoint_is_exported_by_its_name(hub, checkpoints, tmp_path, monkeypatch):
    hub.files |= {p.name: p.read_bytes() for p in checkpoints("segformer").iterdir()}
    hub.files |= dict.fromkeys(("pytorch_model.bin", "onnx/c.json", "tf_model.h5"), b"no")
    monkeypatch.chdir(tmp_path)
    arguments = "--licence", "none", "--revision", "v1", "--size", "96x64"
    assert main(["export", "own/street", "bundle", *arguments]) == 0
    found = load_bundle(tmp_path / "bundle").manifest
    assert found.name == "street"
    assert (found.source.checkpoint, found.source.revision) == ("own/street", COMMIT)
    assert set(hub.sent) == {p.name for p in checkpoints("segformer").iterdir()}
    # A second time nothing is transferred; and without a network the cache serves.
    hub.sent.clear()
    folder, commit = download("own/street", "v1")
    assert (hub.sent, commit) == ([], COMMIT)
    lie_at("http://127.0.0.1:1", monkeypatch)
    assert download("own/street", "v1") == (folder, COMMIT)


def test_older_weights_are_taken_where_there_are_no_others(hub):
    hub.files |= {"config.json": b"{}", "pytorch_model.bin": b"weights", "flax_model.msgpack": b""}
    folder, _ = download("own/street")
    assert {p.name for p in folder.iterdir()} == {"config.json", "pytorch_model.bin"}


@pytest.mark.parametrize(
    ("name", "revision"), [("own/street", "v9"), ("no/such", None), ("own/..", None)]
)
def test_what_the_hub_does_not_have(name, revision, hub):
    with pytest.raises(BundleError, match=f"{name}: no such folder, and not to be had from"):
        download(name, revision)


def test_a_folder_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("own/street")
    (tmp_path / "own").mkdir()
    assert not is_hub_name("own/street")
    assert not any(map(is_hub_name, ("street", "./street", "/own/street", "a/b/c", "own/", "~/x")))


def test_an_existing_bundle_is_kept_before_anything_is_downloaded(hub, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert main(["export", "own/street", str(tmp_path / "out"), "--licence", "none"]) == 1
    assert "out: exists already" in capsys.readouterr().err
    assert not hub.sent


def test_torch_is_looked_for_before_anything_is_downloaded(hub, tmp_path, capsys, monkeypatch):
    hub.files["config.json"] = b'{"model_type": "segformer"}'
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    assert main(["export", "own/street", str(tmp_path / "out"), "--licence", "none"]) == 1
    assert "need torch; install with" in capsys.readouterr().err
    assert not hub.sent
