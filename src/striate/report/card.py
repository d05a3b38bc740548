"""A run as a small card for notebooks: self-contained HTML, every text escaped."""

from html import escape

from striate.values import Score, Summary


def run_card(folder: str, summary: Summary | None) -> str:
    """The card of a run; `summary` is None while the fit is running."""
    lines = _lines(summary) if summary else ["No result so far: its fit was broken off or goes on."]
    body = "".join(f'<div style="margin-top:.25em">{line}</div>' for line in lines)
    return (
        '<div style="font:14px/1.5 system-ui,sans-serif;max-width:44em;padding:.75em 1em;'
        'border:1px solid #8888;border-radius:6px">'
        f'<div style="opacity:.75">striate · <code>{escape(folder)}</code></div>{body}</div>'
    )


def _lines(summary: Summary) -> list[str]:
    lines = []
    if summary.test:
        lines.append(_accuracy(summary.test))
        lines += _beside(summary.test)
    images, plan = summary.images, summary.plan
    lines.append(escape(summary.verdict.sentence))
    lines.append(
        escape(
            f"{len(summary.classes):,} classes · {images.used:,} images, "
            f"{images.set_aside:,} set aside · {plan.strategy}, {plan.net} "
            f"at {plan.input_size} px · {summary.seconds.total:,.0f} s"
        )
    )
    return lines


def _accuracy(score: Score) -> str:
    low, high = score.interval
    name = score.metric.replace("_", " ")
    digits = ".4g" if score.metric == "mean_absolute_error" else ".1%"
    kind = "cross-validation" if score.evaluation == "cross-validation" else "test images"
    return (
        f'<span style="font-size:1.5em;font-weight:600">{score.value:{digits}}</span> '
        + escape(f"{name}, {score.level:.0%} interval {low:{digits}}–{high:{digits}}, ")
        + escape(f"{score.n:,} {kind}" if kind == "test images" else f"{score.n:,} images, {kind}")
    )


def _beside(score: Score) -> list[str]:
    """The figures beside an accuracy: balanced accuracy and majority class."""
    if score.balanced_accuracy is None:
        return []
    line = f"balanced accuracy {score.balanced_accuracy:.1%}"
    if score.balanced_interval is not None:
        low, high = score.balanced_interval
        line += f", {score.level:.0%} interval {low:.1%}–{high:.1%}"
    if score.guessing is not None:
        line += f" · majority class {score.guessing:.1%}"
    return [escape(line)]
