"""Index -> Cache: every picture decoded once, in threads, into one memory-mapped uint8 file."""

import hashlib
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import msgspec
import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray

from striate.data.cache_folder import CacheFolder
from striate.data.cores import cores
from striate.data.decode import Resize, Unreadable, decode
from striate.data.header import GREY_MODES, Header, pillow_hushed, warnings_of
from striate.data.scan import open_row
from striate.data.tasks import settle_again
from striate.values import (
    Cache,
    Example,
    Index,
    Options,
    Progress,
    Rows,
    Sentence,
    Watch,
    say,
    unwatched,
)

LARGEST_SIDE = 224
SMALL_SIDE = 64
MOST_BYTES = 8 << 30
CHUNK = 32
LARGE_PIXELS = 25_000_000
SMALL_PIXELS = 64 * 64
VERSION = "3"

Images = NDArray[np.uint8]


def build_cache(index: Index, options: Options, watch: Watch = unwatched) -> tuple[Index, Cache]:
    """The cache of all images in use, and the index completed with what decoding found.

    Made once a content, size and version, then found again. An image that cannot be read is
    set aside and its row holds zeros. Raises `MachineError` where the disk is full or not
    writable, `SourceError` where too little is left.
    """
    folder = CacheFolder.open()
    rows = index.used()
    size, channels = working_size(index), working_channels(index)
    key = _key(index, rows, size, channels, options.max_pixels)
    facts = folder.find(key)
    if facts is None:
        found = _write(index, rows, size, channels, options.max_pixels, folder, key, watch)
    else:
        found = msgspec.json.decode(facts, type=list[_Found])
    examples = list(index.examples)
    for row, fact in zip(rows, found, strict=True):
        examples[row] = replace(
            examples[row], status=fact.status, reason=fact.reason, pixels_hash=fact.pixels_hash
        )
    index = replace(index, examples=tuple(examples))
    odd = [e for e in examples if e.status == "used" and e.reason]
    if odd:
        index = replace(index, notes=(*index.notes, _remarked(odd)))
    if size < _wished_size(index):
        index = replace(index, notes=(*index.notes, _bounded(size, len(rows))))
    images = np.load(folder.images(key), mmap_mode="r")
    return settle_again(index, options), Cache(images=images, path=str(folder.images(key)))


def decode_rows(
    index: Index,
    rows: Rows,
    size: int,
    channels: int,
    resize: Resize = "squash",
    max_pixels: int = 178_000_000,
) -> tuple[Index, Images]:
    """Images of some rows, N x S x S x C, by the path that the cache takes, to the same pixels.

    The index comes back with what cannot be read set aside; such rows hold zeros.
    """
    images = np.zeros((len(rows), size, size, channels), np.uint8)
    examples = list(index.examples)
    start = 0
    with pillow_hushed():
        for block, found in _decoded(index, rows, size, channels, resize, max_pixels):
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
    index: Index, rows: Rows, size: int, channels: int, resize: Resize = "squash"
) -> Images:
    """Images of some rows, N x S x S x C; those that cannot be read are zeros."""
    return decode_rows(index, rows, size, channels, resize)[1]


def working_size(index: Index) -> int:
    """Side of the cached images: that of the images where small, at most 224 pixels.

    Up to 64 pixels the commonest longer side, above the median one; smaller where all
    together would take more than 8 GiB.
    """
    rows = max(1, len(index.examples))
    bound = int((MOST_BYTES / (rows * working_channels(index))) ** 0.5)
    return min(_wished_size(index), max(32, bound - bound % 8))


def working_channels(index: Index) -> int:
    """1 where every image in use is grey, else 3."""
    used = (example for example in index.examples if example.status == "used")
    return 1 if all(example.mode in GREY_MODES for example in used) else 3


class _Found(msgspec.Struct, array_like=True):
    """What decoding found of one image."""

    status: str
    reason: str
    pixels_hash: str


def _wished_size(index: Index) -> int:
    sides = [max(e.width, e.height) for e in index.examples if e.status == "used"]
    if not sides:
        return SMALL_SIDE
    median = statistics.median_low(sides)
    if median > SMALL_SIDE:
        return min(LARGEST_SIDE, median)
    counts = Counter(side for side in sides if side <= SMALL_SIDE)
    return max(counts, key=lambda side: (counts[side], side))


def _key(index: Index, rows: Rows, size: int, channels: int, max_pixels: int) -> str:
    """Names a cache by all that its bytes depend on."""
    versions = f"{VERSION}/{PIL.__version__}/{simplejpeg.__version__}"
    head = f"{versions}/{len(index.examples)}/{size}/{channels}/{max_pixels}"
    digest = hashlib.sha256(head.encode())
    for row in rows:
        digest.update(f"{row}:{index.examples[row].bytes_hash}\n".encode())
    return digest.hexdigest()[:32]


def _write(
    index: Index,
    rows: Rows,
    size: int,
    channels: int,
    max_pixels: int,
    folder: CacheFolder,
    key: str,
    watch: Watch,
) -> list["_Found"]:
    """Decodes all rows into the folder's file `key`, in order, and keeps the facts beside it."""
    shape = (len(index.examples), size, size, channels)
    began = time.perf_counter()
    found: list[_Found] = []
    with pillow_hushed(), folder.writer(key, shape) as writer:
        for block, facts in _decoded(index, rows, size, channels, "squash", max_pixels):
            for row, image in zip(rows[len(found) :], block, strict=False):
                writer.put(int(row), image)
            found += facts
            rate = len(found) / (time.perf_counter() - began)
            watch(
                Progress(stage="cache", done=len(found), total=len(rows), unit="images", rate=rate)
            )
        writer.finish(msgspec.json.encode(found))
    return found


def _decoded(
    index: Index, rows: Rows, size: int, channels: int, resize: Resize, max_pixels: int
) -> Iterator[tuple[Images, list[_Found]]]:
    """Blocks of decoded rows in order, made in threads, few at a time in memory."""

    def chunk(part: Rows) -> tuple[Images, list[_Found]]:
        block = np.zeros((len(part), size, size, channels), np.uint8)
        return block, [_decode_row(index, int(row), block[i], resize, max_pixels)
                       for i, row in enumerate(part)]  # fmt: skip

    workers = 1 if _all_small(index, rows) else cores()
    length = max(1, min(CHUNK, len(rows) // (4 * workers)))
    parts = iter([rows[i : i + length] for i in range(0, len(rows), length)])
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[tuple[Images, list[_Found]]]] = []
        for part in parts:
            waiting.append(pool.submit(chunk, part))
            if len(waiting) > workers + 4:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _all_small(index: Index, rows: Rows) -> bool:
    """Whether images are so small that decoding is mostly Python's own, which threads slow down."""
    pixels = [index.examples[row].width * index.examples[row].height for row in rows[:CHUNK]]
    return bool(pixels) and 0 < sum(pixels) < SMALL_PIXELS * len(pixels)


def _decode_row(index: Index, row: int, target: Images, resize: Resize, max_pixels: int) -> _Found:
    """Decodes one row into `target`; what cannot be read leaves zeros and a reason."""
    example = index.examples[row]
    warnings_of()
    large = example.width * example.height > LARGE_PIXELS and example.format != "JPEG"
    try:
        with _TURN if large else nullcontext():
            decoded = decode(
                open_row(index, row),
                target.shape[0],
                target.shape[2],
                max_pixels=max_pixels,
                resize=resize,
                header=_header(example),
            )
    except Unreadable as error:
        return _Found("set_aside", "; ".join(filter(None, (error.reason, warnings_of()))), "")
    target[:] = decoded.pixels
    reason = "; ".join(dict.fromkeys(filter(None, (example.reason, warnings_of()))))
    return _Found("used", reason, decoded.pixels_hash)


def _header(example: Example) -> Header | None:
    if not example.width:
        return None
    return Header(
        format=example.format,
        mode=example.mode,
        width=example.width,
        height=example.height,
        orientation=example.orientation,
    )


def _remarked(odd: list[Example]) -> Sentence:
    return say(
        "cache.remarked",
        "In use although something is odd about them: {n:,} images, such as {path} ({reason}).",
        n=len(odd),
        path=odd[0].path,
        reason=odd[0].reason,
    )


def _bounded(size: int, images: int) -> Sentence:
    return say(
        "cache.bounded",
        "{images:,} images are kept at {size} x {size} pixels, so that the cache stays below "
        "{gib:.0f} GiB.",
        images=images,
        size=size,
        gib=MOST_BYTES / (1 << 30),
    )


# Up to half a gigabyte each, JPEGs apart, which are decoded smaller: one at a time then.
_TURN = threading.Lock()
