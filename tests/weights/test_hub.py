import socket
import urllib.request
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
    assert hub.cached_models() == ()
    cache_of(tmp_path, "resnet18.a1_in1k")
    cache_of(tmp_path, "resnet10t.c3_in1k", "pytorch_model.bin")
    cache_of(tmp_path, "half.fetched", "config.json")
    (tmp_path / "models--other--resnet18").mkdir()
    assert hub.cached_models() == ("resnet10t.c3_in1k", "resnet18.a1_in1k")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    assert hub.cached_models() == ()


def test_a_hub_that_is_forbidden_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "answers", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(hub, "cached", lambda hub_id: False)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE") as caught:
        hub.reach("resnet18", "timm/resnet18", "Type this.")
    assert caught.value.hint == "Type this."


def test_a_hub_that_never_answers_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "cached", lambda hub_id: False)
        monkeypatch.setattr(hub, "HUB_SECONDS", 0.2)
        with pytest.raises(HubError, match=r"did not answer within 0\.2 seconds"):
            hub.reach("resnet18", "timm/resnet18", "")


def test_the_time_that_a_hub_has_reaches_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def refuses(address: str, timeout: float) -> None:
        asked.update(address=address, timeout=timeout)
        raise OSError

    monkeypatch.setattr(urllib.request, "urlopen", refuses)
    assert not hub.answers("http://hub.invalid/config.json", 7.0)
    assert asked == {"address": "http://hub.invalid/config.json", "timeout": 7.0}
    assert hub.HUB_SECONDS == 10
