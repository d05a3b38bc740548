"""Inspection -> its page: contents of the data, problems with images, copies."""

from collections.abc import Sequence

from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words, load_words
from striate.report.suspected_images import label_errors_gallery, outliers_section
from striate.values import Block, Cache, Family, Index, Inspection, Leak, Report, Section

FAMILIES, OF_A_FAMILY, LEAKS = 12, 4, 24
LISTED, CLASSES, SIZES = 100, 30, 10


def compose_inspection(
    inspection: Inspection, index: Index, cache: Cache, lang: str = "en"
) -> Report:
    """The page in the order of a reader's questions; empty parts are omitted."""
    say = load_words(lang)
    pictures = _Thumbnails(index, cache)
    torn = [family for family in inspection.copies if family.contradicts]
    leaked = {leak.path for leak in inspection.leaks}
    alike = [
        family
        for family in inspection.copies
        if not family.contradicts and not leaked & set(family.paths)
    ]
    sections = (
        _words_section(inspection, say),
        _families_section("contradictions", torn, pictures, say),
        _split_leaks_section(inspection.leaks, pictures, say),
        _label_errors_section(inspection, cache, say),
        outliers_section(inspection.outliers, cache, say),
        _families_section("copies", alike, pictures, say),
        _unused_files_section(inspection, say),
        _classes_section(inspection, say) if inspection.classes else None,
        _sizes_section(inspection, say),
    )
    problems = sum(section is not None for section in sections[1:7])
    return Report(
        lang=lang,
        title=inspection.name,
        headline=say(
            "inspection.headline", n=inspection.images.used, classes=len(inspection.classes)
        ),
        subline=say("inspection.problems", n=problems) if problems else say("inspection.calm"),
        sections=tuple(section for section in sections if section is not None),
    )


class _Thumbnails:
    """Thumbnails of the cached images by path."""

    def __init__(self, index: Index, cache: Cache) -> None:
        self.row = {example.path: row for row, example in enumerate(index.examples)}
        self.images = cache.images
        self.style = "samples sharp" if cache.size <= SMALL_IMAGE_SIDE else ""

    def gallery(
        self, title: str, paths: Sequence[str], captions: Sequence[str], note: str = ""
    ) -> Block:
        """The images side by side."""
        return Block(
            kind="gallery",
            title=title,
            images=tuple(image_data_uri(self.images[self.row[path]]) for path in paths),
            captions=tuple(captions),
            alts=tuple(paths),
            note=note,
            severity=self.style,
        )


def _words_section(inspection: Inspection, say: Words) -> Section:
    told = tuple((say.sentence(sentence),) for sentence in inspection.told)
    return Section(
        key="answer",
        title=say("inspection.words"),
        blocks=(Block(kind="list", title=say("inspection.words"), rows=told),),
    )


def _families_section(
    key: str, families: Sequence[Family], pictures: _Thumbnails, say: Words
) -> Section | None:
    """One gallery per family of copies, the largest first."""
    if not families:
        return None
    ordered = sorted(families, key=lambda family: (-len(family.paths), family.paths))
    blocks = []
    for family in ordered[:FAMILIES]:
        shown = _pick_family_files(family)
        more = len(family.paths) - len(shown)
        blocks.append(
            pictures.gallery(
                say("inspection.family", n=len(family.paths), kind=say(f"kind.{family.kind}")),
                [path for path, _ in shown],
                ["\n".join((label, path)) for path, label in shown],
                say("inspection.more", n=more) if more else "",
            )
        )
    return Section(
        key=key,
        title=say(f"inspection.{key}"),
        lead=say(f"inspection.{key}_lead", n=len(families)),
        blocks=tuple(blocks),
    )


def _pick_family_files(family: Family) -> list[tuple[str, str]]:
    """A few files of the family with their labels, at least one per label."""
    pairs = list(zip(family.paths, family.labels, strict=True))
    first = {label: (path, label) for path, label in reversed(pairs)}
    others = [pair for pair in pairs if pair not in first.values()]
    return [*sorted(first.values()), *others][:OF_A_FAMILY]


def _split_leaks_section(
    leaks: Sequence[Leak], pictures: _Thumbnails, say: Words
) -> Section | None:
    """Both images of each leak, side by side."""
    if not leaks:
        return None
    blocks = tuple(
        pictures.gallery(
            say(f"kind.{leak.kind}"),
            (leak.path, leak.copy),
            (
                "\n".join((say.named("split", leak.split), leak.path)),
                "\n".join((say.named("split", leak.copy_split), leak.copy)),
            ),
        )
        for leak in leaks[:LEAKS]
    )
    return Section(
        key="leaks",
        title=say("inspection.leaks"),
        lead=say("inspection.leaks_lead", n=len(leaks)),
        blocks=blocks,
    )


def _label_errors_section(inspection: Inspection, cache: Cache, say: Words) -> Section | None:
    doubts = inspection.doubts
    if not doubts:
        return None
    return Section(
        key="doubts",
        title=say("doubts.title"),
        lead=say("inspection.doubts_lead", n=len(doubts), of=inspection.labels_looked_at),
        blocks=(label_errors_gallery(doubts, cache, say),),
    )


def _unused_files_section(inspection: Inspection, say: Words) -> Section | None:
    aside = inspection.set_aside
    if not aside:
        return None
    table = Block(
        kind="table",
        header=(say("aside.path"), say("aside.reason")),
        rows=tuple((each.path, each.reason) for each in aside[:LISTED]),
        note=say("aside.more", n=len(aside) - LISTED) if len(aside) > LISTED else "",
    )
    return Section(
        key="aside", title=say("aside.title"), lead=say("aside.lead", n=len(aside)), blocks=(table,)
    )


def _classes_section(inspection: Inspection, say: Words) -> Section:
    ordered = sorted(inspection.classes, key=lambda each: (-each.images, each.name))
    shown = ordered if len(ordered) <= CLASSES else [*ordered[:15], *ordered[-15:]]
    table = Block(
        kind="table",
        header=(
            say("source.class"),
            say("inspection.images"),
            say("inspection.distinct"),
            *(say.named("split", name) for name in ("train", "val", "test")),
        ),
        rows=tuple(
            (
                each.name,
                *(f"{n:,}" for n in (each.images, each.distinct, each.train, each.val, each.test)),
            )
            for each in shown
        ),
        note=say("inspection.many") if len(shown) < len(ordered) else "",
    )
    return Section(key="classes", title=say("source.classes"), blocks=(table,))


def _sizes_section(inspection: Inspection, say: Words) -> Section:
    shown = list(inspection.sizes.items())[:SIZES]
    rest = sum(inspection.sizes.values()) - sum(count for _, count in shown)
    rows = [(size.replace("x", "×"), f"{count:,}") for size, count in shown]
    if rest:
        rows.append((say("inspection.other_sizes"), f"{rest:,}"))
    facts = Block(
        kind="facts", rows=tuple((name, f"{count:,}") for name, count in inspection.formats.items())
    )
    table = Block(
        kind="table",
        header=(say("source.sizes"), say("inspection.images")),
        rows=tuple(rows),
    )
    return Section(key="sizes", title=say("inspection.sizes"), blocks=(facts, table))
