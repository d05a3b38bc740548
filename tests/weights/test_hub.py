import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from striate.errors import HubError
from striate.weights import hub


def cache_of(folder: Path, name: str, file: str = "model.safetensors") -> None:
    """What the hub leaves on disk of a model: the file of a commit, and which one `main` is."""
    model = folder / f"models--timm--{name}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    (model / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (model / "snapshots" / ("0" * 40) / file).write_bytes(b"weights")


def test_what_the_hub_left_on_this_machine_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert hub.list_cached_models() == ()
    cache_of(tmp_path, "resnet18.a1_in1k")
    cache_of(tmp_path, "resnet10t.c3_in1k", "pytorch_model.bin")
    cache_of(tmp_path, "half.fetched", "config.json")
    (tmp_path / "models--other--resnet18").mkdir()
    assert hub.list_cached_models() == ("resnet10t.c3_in1k", "resnet18.a1_in1k")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    assert hub.list_cached_models() == ()


def test_a_hub_that_is_forbidden_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "is_reachable", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(hub, "is_cached", lambda hub_id: False)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE") as caught:
        hub.fetch_weights("resnet18", "timm/resnet18", "Type this.")
    assert caught.value.hint == "Type this."


def test_a_hub_that_never_answers_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "is_cached", lambda hub_id: False)
        monkeypatch.setattr(hub, "HUB_SECONDS", 0.2)
        with pytest.raises(HubError, match=r"did not answer within 0\.2 seconds"):
            hub.fetch_weights("resnet18", "timm/resnet18", "")


def test_the_time_that_a_hub_has_reaches_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def refuses(address: str, timeout: float) -> None:
        asked.update(address=address, timeout=timeout)
        raise OSError

    monkeypatch.setattr(urllib.request, "urlopen", refuses)
    assert not hub.is_reachable("http://hub.invalid/config.json", 7.0)
    assert asked == {"address": "http://hub.invalid/config.json", "timeout": 7.0}
    assert hub.HUB_SECONDS == 10


class Hub(BaseHTTPRequestHandler):
    """A hub whose models have one file; of `stalls` only half is sent."""

    content = b"w" * 4000
    ended = threading.Event()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.begin()

    def do_GET(self) -> None:
        there = self.begin()
        if not there:
            return
        half = "stalls" in self.path and "config.json" not in self.path
        self.wfile.write(self.content[: 2000 if half else None])
        self.wfile.flush()
        if half:
            self.ended.wait(20)

    def begin(self) -> bool:
        there = not self.path.endswith("model.safetensors") or "old" not in self.path
        self.send_response(200 if there else 404)
        if not there:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"abc"')
        self.send_header("Content-Length", str(len(self.content) if there else 0))
        self.end_headers()
        return there


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on this machine and an empty cache."""
    Hub.ended.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(hub, "HUB_SECONDS", 1.0)
        yield tmp_path
        Hub.ended.set()
        server.shutdown()


def test_a_download_that_stands_still_half_way_is_given_up(served: Path) -> None:
    with pytest.raises(HubError, match=r"no progress for 1\.0 seconds") as caught:
        hub.fetch_weights("resnet18", "timm/stalls", "Type this.")
    assert caught.value.hint == "Type this."
    assert not hub.is_cached("timm/stalls")


def test_a_download_that_goes_through_lies_in_the_cache(served: Path) -> None:
    hub.fetch_weights("resnet18", "timm/goes", "")
    assert hub.is_cached("timm/goes")
    assert hub.list_cached_models() == ("goes",)


def test_a_model_without_the_newer_file_is_fetched_by_the_older(served: Path) -> None:
    hub.fetch_weights("resnet18", "timm/old", "")
    assert hub.is_cached("timm/old")


def test_a_model_without_the_files_cannot_be_had(served: Path) -> None:
    with pytest.raises(HubError, match="cannot be downloaded"):
        hub.fetch_weights("resnet18", "timm/old", "", ("model.safetensors",))
