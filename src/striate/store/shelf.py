"""The shelf of a run folder: a value kept under its name, with what it was made from."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from striate.errors import ModelError
from striate.store import files
from striate.store.contents import CODECS
from striate.store.files import Codec
from striate.store.record import CHECKPOINTS, NAMES, RUN, FileRecord, RunRecord

T = TypeVar("T")


class Shelf:
    """The files of a run folder, and the record that says what each was made from.

    The record is replaced, never changed, and stands in `run.json` after each replacement.
    """

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self._chain: list[str] = []

    def keep(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: object = None,
    ) -> T:
        """The value that the folder holds under `name`, or what `make` gives, written whole.

        A stored value counts where its file is as it was written and came from the same
        settings, the same content of the kept files in `inputs` (by default of all that this
        process has kept before) and the same `also`.
        """
        codec = codec or CODECS[name]
        made_from = self._chain if inputs is None else [self._digest(n) for n in inputs]
        key = files.digest_of(self.record.settings_key, made_from, also)
        known = self.record.files.get(name)
        if known and known.key == key:
            with contextlib.suppress(Exception):  # whatever is wrong with it, it is made again
                value = self._stored(name, known, codec)
                self._chain.append(f"{name} {known.digest}")
                return value
        value = make()
        self.write(name, value, codec, key=key)
        self._chain.append(f"{name} {self.record.files[name].digest}")
        return value

    def write(self, name: str, value: T, codec: Codec[T] | None = None, *, key: str = "") -> None:
        """Writes a value under `name`, whole or not at all, and notes what it was made from."""
        codec = codec or CODECS[name]
        path = self.path(name)
        files.made(path.parent)
        with files.whole(path) as file:
            codec.write(value, file)
        entry = FileRecord(key=key, digest=files.digest(path), facts=codec.facts(value))
        self.change(files={**self.record.files, name: entry})

    def read(self, name: str, codec: Codec[T] | None = None) -> T:
        """The value that the folder holds under `name`, whatever it was made from.

        Raises `ModelError` where it is missing or damaged.
        """
        path = self.path(name)
        known = self.record.files.get(name, FileRecord(key="", digest=""))
        try:
            return (codec or CODECS[name]).read(path, known.facts)
        except FileNotFoundError:
            raise ModelError(
                f"{self.folder} has no {name}"
                + ("." if self.record.finished else ": its fit has not come so far."),
                f"Go on with it: {self.record.command}",
            ) from None
        except ModelError:
            raise
        except Exception as error:
            raise files.damaged(path, error) from error

    def holds(self, name: str) -> bool:
        """Whether something was written under `name`."""
        return name in self.record.files and self.path(name).exists()

    def path(self, name: str) -> Path:
        """Where a value of this name stands: public files on top, all else in `checkpoints/`."""
        return self.folder / name if name in NAMES else self.checkpoints / name

    @property
    def checkpoints(self) -> Path:
        """The folder for what resuming needs."""
        return self.folder / CHECKPOINTS

    def change(self, **changes: Any) -> None:
        """Replaces fields of the record and writes it."""
        self.record = replace(self.record, **changes)
        self.save()

    def save(self) -> None:
        """Writes the record into `run.json`."""
        files.write_whole(self.folder / RUN, files.to_json(self.record))

    def _stored(self, name: str, known: FileRecord, codec: Codec[T]) -> T:
        path = self.path(name)
        if files.digest(path) != known.digest:
            raise ValueError(f"{path} was changed")
        return codec.read(path, known.facts)

    def _digest(self, name: str) -> str:
        known = self.record.files.get(name)
        return f"{name} {known.digest if known else ''}"
