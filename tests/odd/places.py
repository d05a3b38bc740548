"""What stands in a folder and is no regular file, and what systems leave in it."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.data.odd_files import encoded, scene
from tests.odd.entry import Odd

PICTURE = encoded(scene(seed=77), "PNG")


def places() -> Iterator[Odd]:
    """Every hidden file, link, pipe, socket, device and nested folder."""
    for kind in (hidden, links, special, nested):
        yield from kind()


def hidden() -> Iterator[Odd]:
    """Files and folders that systems and tools make for themselves."""
    for name in (".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "._photo.jpg", ".a.jpg"):
        yield Odd(name=name, status="ignored", reason="hidden", content=PICTURE)
    for name in ("__MACOSX", ".ipynb_checkpoints", ".git", "@eaDir", "$RECYCLE.BIN"):
        yield Odd(name=name, status="ignored", reason="hidden", place=_folder_with_picture)


def links() -> Iterator[Odd]:
    """Links to files and folders, whole, broken and in circles."""
    yield Odd(name="link to a picture.png", place=_to_picture)
    aside = {
        "nowhere.jpg": (_to("gone.jpg"), "does not exist"),
        "itself.jpg": (_to("itself.jpg"), "does not exist"),
        "one of two.jpg": (_to("two of two.jpg"), "does not exist"),
        "two of two.jpg": (_to("one of two.jpg"), "does not exist"),
        "endless.jpg": (_to("/dev/zero"), "a device"),
        "nothing.jpg": (_to("/dev/null"), "a device"),
    }
    for name, (place, reason) in aside.items():
        yield Odd(name=name, status="set_aside", reason=reason, place=place)
    yield Odd(name="here", status="ignored", reason="read already", place=_to("."))
    for name, target in {"above": "..", "far above": "../..", "the whole disk": "/"}.items():
        yield Odd(name=name, status="ignored", reason="a link to a folder above", place=_to(target))


def special() -> Iterator[Odd]:
    """Pipes, sockets and devices, by a picture's name and by none."""
    for name, reason, place in (
        ("pipe.jpg", "a pipe", _pipe),
        ("pipe", "a pipe", _pipe),
        ("plug.jpg", "a socket", _socket),
        ("plug", "a socket", _socket),
    ):
        yield Odd(name=name, status="set_aside", reason=reason, place=place)
    if os.geteuid() == 0:
        yield Odd(name="device.jpg", status="set_aside", reason="a device", place=_device)


def nested() -> Iterator[Odd]:
    """Folders with nothing in them, and pictures far below."""
    deep = "/".join(["deep"] * 60)
    yield Odd(name=f"{deep}/picture.png", content=PICTURE, pixels=scene(seed=77))
    yield Odd(name="folder.jpg/inside.png", content=PICTURE, pixels=scene(seed=77))


def make_pit(path: Path) -> None:
    """Folders in folders until no path can name the last ones."""
    before = os.open(".", os.O_RDONLY)
    try:
        path.mkdir()
        os.chdir(path)
        for _ in range(20):
            Path("p" * 250).mkdir()
            os.chdir("p" * 250)
        Path("picture.png").write_bytes(PICTURE)
    finally:
        os.fchdir(before)
        os.close(before)


def _folder_with_picture(path: Path) -> None:
    path.mkdir()
    (path / "inside.jpg").write_bytes(PICTURE)


def _to_picture(path: Path) -> None:
    target = path.parent.parent / "outside.png"
    target.write_bytes(PICTURE)
    path.symlink_to(target)


def _to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    plug = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(path.parent)  # The name of a socket must be short.
    try:
        plug.bind(path.name)
    finally:
        os.chdir(before)
        plug.close()


def _device(path: Path) -> None:
    os.mknod(path, 0o20600, os.makedev(1, 3))
