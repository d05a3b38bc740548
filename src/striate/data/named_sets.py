"""The known data sets: their names in torchvision and where their files are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSet:
    """A set of torchvision: the name of its class, and the folder or file that it lies in.

    `splits` are the values of the argument `argument` for train, val and test, where it has
    splits. `form` tells how its files are read: `idx`, `batches` (CIFAR), `files` (pictures) or
    `arrays` (through torchvision).
    """

    called: str
    folder: str
    form: str
    argument: str = "split"
    splits: tuple[tuple[str, object], ...] = ()


_TWO = (("train", "train"), ("test", "test"))
_THREE = (("train", "train"), ("val", "val"), ("test", "test"))
_TRUE = (("train", True), ("test", False))


def _file_set(called: str, folder: str, splits: tuple[tuple[str, object], ...] = _TWO) -> NamedSet:
    return NamedSet(called=called, folder=folder, form="files", splits=splits)


NAMED_SETS: dict[str, NamedSet] = {
    "cifar10": NamedSet(called="CIFAR10", folder="cifar-10-batches-py", form="batches"),
    "cifar100": NamedSet(called="CIFAR100", folder="cifar-100-python", form="batches"),
    "mnist": NamedSet(called="MNIST", folder="MNIST/raw", form="idx"),
    "fashion-mnist": NamedSet(called="FashionMNIST", folder="FashionMNIST/raw", form="idx"),
    "kmnist": NamedSet(called="KMNIST", folder="KMNIST/raw", form="idx"),
    "svhn": NamedSet(called="SVHN", folder="train_32x32.mat", form="arrays", splits=_TWO),
    "stl10": NamedSet(called="STL10", folder="stl10_binary", form="arrays", splits=_TWO),
    "usps": NamedSet(
        called="USPS", folder="usps.bz2", form="arrays", argument="train", splits=_TRUE
    ),
    "food101": _file_set("Food101", "food-101"),
    "flowers102": _file_set("Flowers102", "flowers-102", _THREE),
    "oxford-iiit-pet": _file_set(
        "OxfordIIITPet", "oxford-iiit-pet", (("train", "trainval"), ("test", "test"))
    ),
    "dtd": _file_set("DTD", "dtd", _THREE),
    "eurosat": _file_set("EuroSAT", "eurosat", ()),
    "gtsrb": _file_set("GTSRB", "gtsrb"),
    "fgvc-aircraft": _file_set("FGVCAircraft", "fgvc-aircraft-2013b", _THREE),
    "country211": _file_set(
        "Country211", "country211", (("train", "train"), ("val", "valid"), ("test", "test"))
    ),
    "rendered-sst2": _file_set("RenderedSST2", "rendered-sst2", _THREE),
}


def find_set_name(word: object) -> str:
    """The name of the set that a word means, in upper or lower case, `_` for `-`, or nothing."""
    if not isinstance(word, str):
        return ""
    short = word.casefold().replace("_", "").replace("-", "")
    return next((name for name in NAMED_SETS if short == name.replace("-", "")), "")
