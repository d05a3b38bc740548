"""Decode every image once, in threads, into one memory-mapped uint8 file."""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import msgspec
import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray

from striate.data.cache_folder import CacheEntry, CacheFolder, DamagedError, change_warning
from striate.data.form import MOST_BYTES, ImageForm, image_form, preferred_size
from striate.data.formats.decode import ALPHA_CHANNELS, Resize, Unreadable, decode_image
from striate.data.formats.header import ALPHA_MODES, Header, capture_pillow_warnings, take_warnings
from striate.data.formats.read_file import count_cores
from striate.data.scan import open_row
from striate.data.tasks import settle_remaining_classes
from striate.errors import MachineError
from striate.values import (
    Cache,
    Example,
    Index,
    Progress,
    ReadingOptions,
    Rows,
    Sentence,
    Watch,
    say,
    unwatched,
)

CHUNK = 32
LARGE_PIXELS = 25_000_000
SMALL_PIXELS = 64 * 64
VERSION = "4"

Images = NDArray[np.uint8]


def build_cache(
    index: Index,
    options: ReadingOptions,
    watch: Watch = unwatched,
    *,
    channels: int | None = None,
    resize: Resize = "squash",
) -> tuple[Index, Cache]:
    """The cache of all images in use, and the index with what decoding found.

    `channels` are those of the images, unless given. The cache is found again by content, size and
    version; a damaged one is decoded again, with a note. An image that cannot be read is excluded
    and its row holds zeros. Raises `MachineError` if the disk is full or not writable,
    `SourceError` if too few images are left.
    """
    folder = CacheFolder.open()
    rows = index.used()
    form = image_form(index, channels, resize)
    key = _cache_key(index, rows, form, options.max_pixels)
    entry = _find_cached(folder, key, watch) or _write_and_reopen(
        index, rows, form, options.max_pixels, folder, key, watch
    )
    found = msgspec.json.decode(entry.facts, type=list[_DecodedFacts])
    examples = list(index.examples)
    for row, fact in zip(rows, found, strict=True):
        examples[row] = replace(
            examples[row], status=fact.status, reason=fact.reason, pixels_hash=fact.pixels_hash
        )
    index = replace(index, examples=tuple(examples))
    odd = [e for e in examples if e.status == "used" and e.reason]
    if odd:
        index = replace(index, notes=(*index.notes, _odd_images_note(odd)))
    if form.size < preferred_size(index):
        index = replace(index, notes=(*index.notes, _memory_bound_note(form.size, len(rows))))
    index = replace(index, notes=(*index.notes, *_alpha_notes(index, form)))
    cache = Cache(
        images=entry.images,
        path=str(folder.images(key)),
        resize=form.resize,
        alpha=form.alpha,
    )
    return settle_remaining_classes(index, options), cache


def decode_rows(
    index: Index,
    rows: Rows,
    size: int,
    channels: int,
    resize: Resize = "squash",
    max_pixels: int = 178_000_000,
    *,
    alpha: bool = False,
) -> tuple[Index, Images]:
    """Images of some rows, N x S x S x C, decoded exactly as for the cache.

    With `alpha` an image without one is opaque. In the returned index, images that cannot be read
    are excluded; their rows hold zeros.
    """
    images = np.zeros((len(rows), size, size, channels), np.uint8)
    examples = list(index.examples)
    start = 0
    with capture_pillow_warnings():
        form = ImageForm(size, channels, resize, alpha)
        for block, found in _decode_blocks(index, rows, form, max_pixels):
            images[start : start + len(block)] = block
            for row, fact in zip(rows[start : start + len(block)], found, strict=True):
                examples[row] = replace(
                    examples[row],
                    status=fact.status,
                    reason=fact.reason,
                    pixels_hash=fact.pixels_hash,
                )
            start += len(block)
    return replace(index, examples=tuple(examples)), images


def decode_images(
    index: Index,
    rows: Rows,
    size: int,
    channels: int,
    resize: Resize = "squash",
    *,
    alpha: bool = False,
) -> Images:
    """Images of some rows, N x S x S x C; those that cannot be read are zeros."""
    return decode_rows(index, rows, size, channels, resize, alpha=alpha)[1]


class _DecodedFacts(msgspec.Struct, array_like=True):
    """What decoding found of one image."""

    status: str
    reason: str
    pixels_hash: str


def _cache_key(index: Index, rows: Rows, form: ImageForm, max_pixels: int) -> str:
    """Names a cache by all that its bytes depend on."""
    versions = f"{VERSION}/{PIL.__version__}/{simplejpeg.__version__}"
    head = f"{versions}/{len(index.examples)}/{form.size}/{form.channels}/{max_pixels}"
    if form.resize != "squash" or form.alpha:
        head += f"/{form.resize}/{form.alpha}"
    digest = hashlib.sha256(head.encode())
    for row in rows:
        digest.update(f"{row}:{index.examples[row].bytes_hash}\n".encode())
    return digest.hexdigest()[:32]


def _find_cached(folder: CacheFolder, key: str, watch: Watch) -> CacheEntry | None:
    """The entry with that key; None if there is none, or if it is damaged."""
    try:
        return folder.find(key)
    except DamagedError as error:
        note = say(
            "cache.mended",
            "The cache {path} is damaged ({reason}), so the images are decoded again.",
            path=str(folder.images(key)),
            reason=str(error),
        )
        watch(Progress(stage="cache", note=note))
        return None


def _write_and_reopen(
    index: Index,
    rows: Rows,
    form: ImageForm,
    max_pixels: int,
    folder: CacheFolder,
    key: str,
    watch: Watch,
) -> CacheEntry:
    """Write the entry and read it back; once again if the folder was cleared meanwhile.

    Raises `MachineError` if what is read differs from what was written.
    """
    for last in (False, True):
        try:
            _write_cache(index, rows, form, max_pixels, folder, key, watch)
            entry = folder.find(key)
        except DamagedError:
            entry = None
        except MachineError:
            if last or folder.path.exists():
                raise
            entry = None
        if entry is not None:
            return entry
        folder = CacheFolder.open()
    raise change_warning(folder)


def _write_cache(
    index: Index,
    rows: Rows,
    form: ImageForm,
    max_pixels: int,
    folder: CacheFolder,
    key: str,
    watch: Watch,
) -> None:
    """Decode all rows into the folder's file `key`, in order, and store the facts with it."""
    shape = (len(index.examples), form.size, form.size, form.channels)
    began = time.perf_counter()
    found: list[_DecodedFacts] = []
    with capture_pillow_warnings(), folder.writer(key, shape) as writer:
        for block, facts in _decode_blocks(index, rows, form, max_pixels):
            for row, image in zip(rows[len(found) :], block, strict=False):
                writer.put(int(row), image)
            found += facts
            rate = len(found) / (time.perf_counter() - began)
            watch(
                Progress(stage="cache", done=len(found), total=len(rows), unit="images", rate=rate)
            )
        writer.finish(msgspec.json.encode(found))


def _decode_blocks(
    index: Index, rows: Rows, form: ImageForm, max_pixels: int
) -> Iterator[tuple[Images, list[_DecodedFacts]]]:
    """Blocks of decoded rows in order, made in threads, few at a time in memory."""

    def chunk(part: Rows) -> tuple[Images, list[_DecodedFacts]]:
        block = np.zeros((len(part), form.size, form.size, form.channels), np.uint8)
        return block, [_decode_row(index, int(row), block[i], form, max_pixels)
                       for i, row in enumerate(part)]  # fmt: skip

    workers = 1 if _are_all_small(index, rows) else count_cores()
    length = max(1, min(CHUNK, len(rows) // (4 * workers)))
    parts = iter([rows[i : i + length] for i in range(0, len(rows), length)])
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[tuple[Images, list[_DecodedFacts]]]] = []
        for part in parts:
            waiting.append(pool.submit(chunk, part))
            if len(waiting) > workers + 4:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _are_all_small(index: Index, rows: Rows) -> bool:
    """Whether images are so small that decoding is mostly Python code, which threads slow down."""
    pixels = [index.examples[row].width * index.examples[row].height for row in rows[:CHUNK]]
    return bool(pixels) and 0 < sum(pixels) < SMALL_PIXELS * len(pixels)


def _decode_row(
    index: Index, row: int, target: Images, form: ImageForm, max_pixels: int
) -> _DecodedFacts:
    """Decode one row into `target`; an unreadable image gives zeros and a reason."""
    example = index.examples[row]
    take_warnings()
    large = example.width * example.height > LARGE_PIXELS and example.format != "JPEG"
    try:
        with _WRITE_LOCK if large else nullcontext():
            decoded = decode_image(
                open_row(index, row),
                form.size,
                form.channels,
                max_pixels=max_pixels,
                resize=form.resize,
                header=_stored_header(example),
                alpha=form.alpha,
            )
    except Unreadable as error:
        return _DecodedFacts(
            "set_aside", "; ".join(filter(None, (error.reason, take_warnings()))), ""
        )
    except MemoryError as error:  # of the machine, and no reason to go on without the image
        raise MachineError(
            f"There is not enough memory to decode {example.path} "
            f"({example.width:,} x {example.height:,} pixels).",
            "Close other programs, or make the image smaller.",
        ) from error
    target[:] = decoded.pixels
    reason = "; ".join(dict.fromkeys(filter(None, (example.reason, take_warnings()))))
    return _DecodedFacts("used", reason, decoded.pixels_hash)


def _stored_header(example: Example) -> Header | None:
    if not example.width:
        return None
    return Header(
        format=example.format,
        mode=example.mode,
        width=example.width,
        height=example.height,
        orientation=example.orientation,
    )


def _odd_images_note(odd: list[Example]) -> Sentence:
    return say(
        "cache.remarked",
        "Used in spite of a defect: {n:,} images, such as {path} ({reason}).",
        n=len(odd),
        path=odd[0].path,
        reason=odd[0].reason,
    )


def _memory_bound_note(size: int, images: int) -> Sentence:
    return say(
        "cache.bounded",
        "{images:,} images are stored at {size} x {size} pixels, so that the cache "
        "stays below {gib:.0f} GiB.",
        images=images,
        size=size,
        gib=MOST_BYTES / (1 << 30),
    )


def _alpha_notes(index: Index, form: ImageForm) -> tuple[Sentence, ...]:
    """A note that transparent parts became white, if some were and alpha is not kept."""
    seen = [e for e in index.examples if e.status == "used" and e.mode in ALPHA_MODES]
    if not seen or form.channels in ALPHA_CHANNELS:
        return ()
    note = say(
        "cache.over_white",
        "Images with an alpha channel: {n:,}. Transparent parts become white. To "
        "keep the alpha channel: --set channels={kept}",
        n=len(seen),
        kept=2 if form.channels == 1 else 4,
    )
    return (note,)


# Up to half a gigabyte each, JPEGs apart, which are decoded smaller: one at a time then.
_WRITE_LOCK = threading.Lock()
