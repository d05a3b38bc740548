"""The hub of weights: what of it lies on this machine, and whether it answers in time."""

import os
import re
import threading
from pathlib import Path

from striate.errors import HubError


def cached(hub_id: str) -> bool:
    """Whether the weights of a model of the hub lie in its cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(hub_id, name), str) for name in FILES)


def cached_models(owner: str = "timm") -> tuple[str, ...]:
    """Names of an owner's models whose weights lie in the hub's cache, sorted."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    found = re.compile(rf"models--{re.escape(owner)}--(.+)")
    try:
        names = [match[1] for path in folder.iterdir() if (match := found.fullmatch(path.name))]
    except OSError:  # no cache, or none that may be read
        return ()
    return tuple(sorted(name for name in names if cached(f"{owner}/{name}")))


def reach(name: str, hub_id: str, hint: str) -> None:
    """Returns if the weights are in the hub's cache or the hub answers in time.

    Raises `HubError` else.
    """
    if cached(hub_id):
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise HubError(
            f"The pretrained weights of {name} are not on this machine, and HF_HUB_OFFLINE "
            "forbids to fetch them.",
            hint,
        )
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not answers(f"{hub}/{hub_id}/resolve/main/config.json", HUB_SECONDS):
        raise HubError(
            f"The pretrained weights of {name} are not on this machine, and {hub} did not answer "
            f"within {HUB_SECONDS} seconds.",
            hint,
        )


def answers(address: str, seconds: float) -> bool:
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


HUB_SECONDS = 10
FILES = ("model.safetensors", "pytorch_model.bin")
