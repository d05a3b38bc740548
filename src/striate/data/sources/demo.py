"""The source `demo`: the set of pictures that the package carries."""

from striate.data.demo import load_demo
from striate.data.header import Content
from striate.data.sources import SourceKind
from striate.values import Example, Index, Options


def read_demo(source: object, options: Options) -> Index:
    """The demo set with its own train and test split; paths are made up from its numbers."""
    demo = load_demo()
    examples = [
        Example(
            path=f"{split}/{label.replace('/', '-')}/{number:05d}",
            split=split,
            label=label,
        )
        for number, (label, split) in enumerate(zip(demo.labels, demo.splits, strict=True))
    ]
    return Index(
        root="demo",
        name="demo",
        kind="demo",
        classes=tuple(sorted(set(demo.labels))),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=("train", "test"),
    )


def open_demo(index: Index, row: int) -> Content:
    """One picture as an array 28 x 28."""
    content: Content = load_demo().images[int(index.examples[row].path.rsplit("/", 1)[1])]
    return content


SOURCE = SourceKind(
    name="demo",
    matches=lambda source: isinstance(source, str) and source == "demo",
    read=read_demo,
    open_row=open_demo,
)
