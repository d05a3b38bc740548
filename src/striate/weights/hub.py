"""The hub of pretrained weights: its cache on this machine, and downloads with a time limit."""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from striate.errors import HubError


def is_cached(hub_id: str) -> bool:
    """Whether the weights of a model of the hub lie in its cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(hub_id, name), str) for name in FILES)


def list_cached_models(owner: str = "timm") -> tuple[str, ...]:
    """Names of an owner's models whose weights lie in the hub's cache, sorted."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    found = re.compile(rf"models--{re.escape(owner)}--(.+)")
    try:
        names = [match[1] for path in folder.iterdir() if (match := found.fullmatch(path.name))]
    except OSError:  # no cache, or none that may be read
        return ()
    return tuple(sorted(name for name in names if is_cached(f"{owner}/{name}")))


def fetch_weights(name: str, hub_id: str, hint: str, files: Sequence[str] = ()) -> None:
    """Download the weights into the hub's cache, unless they are there.

    They are the first of some files that the model has. Raises `HubError` if the hub does not
    answer in time, makes no progress, or has none of them.
    """
    if is_cached(hub_id):
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise HubError(
            f"The pretrained weights of {name} are not on this machine, and "
            "HF_HUB_OFFLINE forbids the download.",
            hint,
        )
    hub = _hub_client()
    if not is_reachable(f"{hub}/{hub_id}/resolve/main/config.json", HUB_SECONDS):
        raise HubError(
            f"The pretrained weights of {name} are not on this machine, and {hub} did not answer "
            f"within {HUB_SECONDS} seconds.",
            hint,
        )
    _download_watched(name, hub_id, hint, files or FILES)


def is_reachable(address: str, seconds: float) -> bool:
    """Whether the address answers in time; looking up a name has no time limit of its own."""
    import urllib.request  # 40 ms that only a fetch shall cost

    answered = threading.Event()

    def ask() -> None:
        try:
            # A byte of the content: some that answer for a file's facts do not give the file.
            with urllib.request.urlopen(address, timeout=seconds) as answer:
                answer.read(1)
            answered.set()
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def _download_watched(name: str, hub_id: str, hint: str, files: Sequence[str]) -> None:
    """The download, watched: it may last, but not stand still."""
    download = _Download(hub_id, files)
    thread = threading.Thread(target=download.run, daemon=True)
    thread.start()
    while thread.is_alive() and not download.stalls():
        thread.join(min(0.2, HUB_SECONDS / 4))
    if thread.is_alive():
        download.given_up = True
        raise HubError(
            f"The pretrained weights of {name} are not on this machine, and their "
            f"download from {_hub_client()} made no progress for {HUB_SECONDS} seconds.",
            hint,
        )
    if download.fault is not None:
        raise HubError(
            f"The pretrained weights of {name} cannot be downloaded: "
            f"{_first_line(download.fault)}.",
            hint,
        ) from download.fault


class _Download:
    """A download that tells when its last bytes came, and ends once it is given up."""

    def __init__(self, hub_id: str, files: Sequence[str]) -> None:
        self.hub_id, self.files = hub_id, files
        self.moved = time.monotonic()
        self.given_up = False
        self.fault: Exception | None = None

    def stalls(self) -> bool:
        """Whether no byte has come for too long."""
        return time.monotonic() - self.moved > HUB_SECONDS

    def run(self) -> None:
        """Fetches the first file that is there."""
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        # Its pieces of 10 MB would look like a standstill on a slow line.
        constants.DOWNLOAD_CHUNK_SIZE = min(constants.DOWNLOAD_CHUNK_SIZE, PIECE_BYTES)
        for file in self.files:
            self.moved = time.monotonic()
            try:
                hf_hub_download(
                    self.hub_id,
                    file,
                    endpoint=_hub_client(),
                    tqdm_class=_bar_that_tells(self._tell),
                )
                self.fault = None
                return
            except EntryNotFoundError as fault:
                self.fault = fault
            except Exception as fault:  # what the hub's client raises is not in our hands
                self.fault = fault
                return

    def _tell(self) -> None:
        self.moved = time.monotonic()
        if self.given_up:
            raise InterruptedError("another network is used instead")


def _bar_that_tells(tell: Callable[[], None]) -> type[Any]:
    """The hub's progress bar, which every arriving piece moves."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            if n:
                tell()
            moved: bool | None = super().update(n)
            return moved

    return Bar


def _hub_client() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


HUB_SECONDS = 10
PIECE_BYTES = 2**16
FILES = ("model.safetensors", "pytorch_model.bin")
