"""Weak slice: dark, blurred, small … images that are found less often than the others."""

from striate import statistics
from striate.decision.slices import SLICES, properties, slices
from striate.diagnose import LEVEL, Check, finding
from striate.values import Finding, Values

LEAST = 60
WORDS = (
    "the darkest quarter",
    "the brightest quarter",
    "the quarter with least contrast",
    "the quarter with most contrast",
    "the most blurred quarter",
    "the most detailed quarter",
    "the smallest quarter",
    "the largest quarter",
)


def run(values: Values) -> Finding:
    """Holds each outer quarter against all other images, at a level that allows for eight."""
    rows = values.test_rows[values.counted]
    if len(rows) < LEAST:
        return finding(
            "weak_slice",
            "not_applicable",
            "info",
            title="Weak slices",
            meaning="{n:,} judged images are too few to be cut into kinds.",
            figures={"n": len(rows)},
        )
    right = (values.predictions.predicted == values.predictions.truth)[values.counted]
    measured = properties(values.cache.images[rows], [values.index.examples[row] for row in rows])
    # Bonferroni: each of the eight gets an eighth of the error.
    tried = slices(
        measured,
        right,
        values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
        level=1 - (1 - LEVEL) / len(SLICES),
    )
    weak = [one for one in tried if statistics.difference(one.others, one.accuracy).low > 0]
    if weak:
        worst = min(weak, key=lambda one: one.accuracy.value)
        number = SLICES.index(worst.name)
        return finding(
            "weak_slice",
            "found",
            "advice",
            title="Some kinds of images are harder",
            meaning="Of {name} of the judged images {share:.1%} are right, of the others "
            "{others:.1%}: more apart than chance explains, though eight kinds were looked at.",
            advice="Collect more images of this kind, or augment with it; until then trust its "
            "answers less.",
            variant=(
                "dark",
                "bright",
                "flat",
                "harsh",
                "blurred",
                "detailed",
                "small",
                "large",
            )[number],
            figures={
                "name": WORDS[number],
                "share": worst.accuracy.value,
                "others": worst.others.value,
                "n": worst.accuracy.n,
            },
        )
    return finding(
        "weak_slice",
        "passed",
        "info",
        title="Weak slices",
        meaning="Neither dark nor bright, flat nor harsh, blurred nor detailed, small nor large "
        "images are worse than the others by more than chance explains ({n:,} images).",
        figures={"n": len(rows)},
    )


CHECK = Check(code="weak_slice", run=run)
