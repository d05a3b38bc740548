"""Names of arrays -> what each is: images, labels, groups, splits, names of classes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from striate.data.columns import asked
from striate.data.layout import split_named
from striate.values import Options

_CALLED = {
    "image": ("image", "images", "x", "data", "img", "imgs", "pixels"),
    "label": ("label", "labels", "y", "target", "targets"),
    "group": ("group", "groups"),
    "split_column": ("split", "splits"),
}
_NAMES = ("classes", "class_names", "names", "label_names", "target_names", "categories")


@dataclass(slots=True, kw_only=True)
class Roles:
    """Which array is what: by split ("" where none is given), then by role."""

    by_split: dict[str, dict[str, str]] = field(default_factory=dict)
    class_names: str = ""
    unread: list[str] = field(default_factory=list)


def roles_of(names: Iterable[str], options: Options) -> Roles:
    """What arrays of these names are; names that the options give come before the usual ones.

    Where some stand for given splits (`x_train`, `test_images`), others do not count.
    """
    names = list(names)
    roles = Roles()
    for name in names:
        split, role = _split_and_role(name, options)
        if name.casefold() in _NAMES:
            roles.class_names = name
        elif role:
            roles.by_split.setdefault(split, {}).setdefault(role, name)
    if sorted(names) == ["arr_0", "arr_1"]:  # np.savez(path, images, labels)
        roles.by_split = {"": {"image": "arr_0", "label": "arr_1"}}
    if any("image" in found for split, found in roles.by_split.items() if split):
        roles.by_split = {split: found for split, found in roles.by_split.items() if split}
    known = {name for found in roles.by_split.values() for name in found.values()}
    roles.unread = [name for name in names if name not in known | {roles.class_names}]
    return roles


def _split_and_role(name: str, options: Options) -> tuple[str, str]:
    for role in _CALLED:
        if asked(options, role) and name == getattr(options, role):
            return "", role
    words = [word for word in re.split(r"[_\-. ]+", name.casefold()) if word]
    split = next((found for found in map(split_named, words) if found), "")
    rest = "_".join(word for word in words if not split_named(word)) if len(words) > 1 else ""
    for role, called in _CALLED.items():
        if asked(options, role):
            continue
        if name.casefold() in called:
            return "", role
        if split and rest in called:
            return split, role
    return "", ""
