"""The curve of the learning-rate range test, where one was made."""

from matplotlib.ticker import MaxNLocator

from striate.report.canvas import COLOURS, Canvas, drawn
from striate.report.language import Words
from striate.values import Block, RateSearch, Section, Values, shown


def rates_section(values: Values, words: Words) -> Section | None:
    """Loss against rate, the chosen rate marked; None where no rate was searched for."""
    search = values.evidence.rates if values.evidence is not None else None
    if search is None or not search.losses:
        return None
    title = words("rates.title")
    about = words("rates.about", chosen=f"{search.chosen:.2g}", n=len(search.losses))
    every = max(1, len(search.losses) // 20)
    block = Block(
        kind="chart",
        title=title,
        svg=_curve(search, title, about, words),
        header=(words("rates.rate"), words("rates.loss")),
        rows=tuple(
            (f"{rate:.2g}", shown(loss))
            for rate, loss in list(zip(search.rates, search.losses, strict=True))[::every]
        ),
    )
    return Section(key="rates", title=title, lead=about, blocks=(block,))


@drawn
def _curve(search: RateSearch, title: str, about: str, words: Words) -> str:
    canvas = Canvas(420, 270, left=46, right=26, top=14, bottom=46)
    axes = canvas.axes
    canvas.grid()
    axes.semilogx(search.rates, search.losses, color=COLOURS["accent"], linewidth=2)
    axes.axvline(search.chosen, color=COLOURS["soft"], linewidth=1, linestyle=(0, (2, 2)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.minorticks_off()
    axes.set_xlabel(words("rates.rate"), labelpad=6)
    return canvas.svg("rates", title, about)
