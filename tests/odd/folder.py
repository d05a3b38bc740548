"""The odd folder: every odd file in one class, between two classes of good pictures."""

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

from tests.data.odd_files import encoded, scene
from tests.odd.damaged import damaged
from tests.odd.entry import Odd
from tests.odd.names import names
from tests.odd.pictures import pictures
from tests.odd.places import make_pit, places

CLASS = "odd"


@cache
def all_odd() -> tuple[Odd, ...]:
    """Every odd file, each name once."""
    return (*pictures(), *damaged(), *names(), *places())


def make_folder(root: Path, good: int = 4) -> Path:
    """The folder, with `good` pictures in each of two further classes, and strays beside them."""
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(good):
            content = encoded(scene(seed=1000 + number + 500 * (label == "dog")), "PNG")
            (root / label / f"{number}.png").write_bytes(content)
    (root / CLASS).mkdir()
    (root / "empty").mkdir()
    (root / "stray.png").write_bytes(encoded(scene(seed=3), "PNG"))
    (root / "readme.md").write_text("about these pictures")
    for odd in all_odd():
        make(odd, root / CLASS)
    make_pit(root / CLASS / "pit")
    return root


def make(odd: Odd, folder: Path) -> None:
    """Makes one odd file."""
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(odd.name)))
    path.parent.mkdir(parents=True, exist_ok=True)
    if odd.place is None:
        path.write_bytes(odd.content)
    else:
        odd.place(path)


def tree_hash(root: Path) -> str:
    """A hash of all that can be seen of a folder: names, kinds, sizes, times, contents."""
    digest = hashlib.sha256()
    for folder, folders, files, number in os.fwalk(root):
        folders.sort()
        for name in sorted([*files, *folders, "."]):
            facts = os.stat(name, dir_fd=number, follow_symlinks=False)
            seen = (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_uid)
            digest.update(os.fsencode(folder) + os.fsencode(name) + repr(seen).encode())
            if stat.S_ISREG(facts.st_mode):
                with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=number), "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()
