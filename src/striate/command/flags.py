"""The flags of the command line, and commands that report every fault at once."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.config.suggestions import did_you_mean, nearest_word
from striate.errors import UsageError

if TYPE_CHECKING:
    from striate.values import Options


FAULTS_KEY = "striate.faults"
# Settings that say how to train, where nothing is trained.
TRAINING_FLAGS = (
    *("strategy", "net", "weights", "plan", "out", "restart", "min_accuracy", "weight", "set"),
    *("remedy", "no_remedy", "race"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """How a field of `Options` appears on the command line."""

    about: str
    metavar: str = ""
    short: str = ""
    words: tuple[str, ...] = ()


def flag_name(name: str) -> str:
    """A setting's name as it is typed: `min_accuracy` is `--min-accuracy`."""
    return f"--{name.replace('_', '-')}"


class Verb(click.Command):
    """A command that collects its faults and raises one `UsageError` with all of them.

    With `checks_later` the faults wait in `ctx.meta[FAULTS_KEY]` for the faults of the values.
    Arguments are declared as optional; `required` names those that are not.
    """

    def __init__(
        self, *args: Any, required: tuple[str, ...] = (), checks_later: bool = False, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.required = required
        self.checks_later = checks_later
        self.context_settings = {"allow_extra_args": True, **(self.context_settings or {})}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses what can be parsed and notes what cannot."""
        faults: list[str] = []
        left, unknown = list(args), 0
        while True:
            try:
                rest = super().parse_args(ctx, list(left))
                break
            except click.NoSuchOption as fault:
                known = [name for param in self.params for name in param.opts]
                near = did_you_mean(fault.option_name, known)
                faults.append(f"There is no flag {fault.option_name}{near}")
                left, unknown = self._without(left, fault.option_name), unknown + 1
            except click.BadOptionUsage as fault:
                faults.append(fault.format_message())
                left = self._without(left, fault.option_name)
        if ctx.resilient_parsing:
            return rest
        for name in self.required:
            if not ctx.params.get(name):
                faults.append(f"{name.upper()} is missing.")
        # A value of a flag that does not exist looks like an argument; it was told of already.
        faults += [f"There is one argument too many: {word!r}." for word in rest[unknown:]]
        ctx.meta[FAULTS_KEY] = faults
        if faults and not self.checks_later:
            raise UsageError("\n".join(faults), f"Type: {ctx.command_path} --help")
        return rest

    def _without(self, args: list[str], name: str) -> list[str]:
        """The arguments without the flag `name`, and without its value where it takes one."""
        for place, word in enumerate(args):
            cluster = name[:2] != "--" and word[:1] == "-" and word[:2] != "--" and name[1:] in word
            if word != name and not word.startswith(f"{name}=") and not cluster:
                continue
            near = nearest_word(name, [opt for param in self.params for opt in param.opts])
            takes_value = any(
                near in param.opts and not getattr(param, "is_flag", True) for param in self.params
            )
            following = args[place + 1 : place + 2]
            value = takes_value and word == name and following and following[0][:1] != "-"
            return args[:place] + args[place + (2 if value else 1) :]
        return [word for word in args if not word.startswith(name)]


class SettingsVerb(Verb):
    """A command with a flag for every field of `Options` except those in `without`.

    Values arrive as typed, or None. The flags are created when first needed, because they import
    numpy, for which `striate --help` has no time.
    """

    _params: list[click.Parameter]
    _complete: bool

    def __init__(
        self, *args: Any, without: tuple[str, ...] | Callable[[], tuple[str, ...]] = (), **more: Any
    ) -> None:
        self.without = without
        super().__init__(*args, **more)

    @property
    def params(self) -> list[click.Parameter]:
        """Arguments, the flags of the settings, the verb's own flags."""
        if not self._complete:
            arguments = [param for param in self._params if isinstance(param, click.Argument)]
            flags = [param for param in self._params if param not in arguments]
            without = self.without() if callable(self.without) else self.without
            self._params = [*arguments, *add_settings_flags(without), *flags]
            self._complete = True
        return self._params

    @params.setter
    def params(self, own: list[click.Parameter]) -> None:
        self._params, self._complete = own, False


class Verbs(click.Group):
    """The commands, in the order of a day's work; a misspelt one gets a suggestion."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order in which they were written."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was typed; raises `UsageError` with the nearest where there is none."""
        word = args[0]
        if word in self.commands or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if word == "demo" or Path(word).exists():
            raise UsageError(
                f"{word} is not a command of striate.",
                f"Type: {ctx.command_path} fit {shlex.quote(word)}",
            )
        raise UsageError(
            f"There is no command {word!r}{did_you_mean(word, self.commands)}",
            f"Type: {ctx.command_path} --help",
        )


def add_settings_flags(without: tuple[str, ...] = ()) -> list[click.Parameter]:
    """An option for every field of `Options` but some, with its default in its help."""
    from striate.values import Options

    default = Options()
    return [
        _make_option(field.name, getattr(default, field.name))
        for field in fields(Options)
        if field.name not in without
    ]


def find_net_faults(net: str | None) -> list[str]:
    """The faults of a network's name; torch is loaded only if a network is named."""
    if not net or net == "auto":
        return []
    from striate.nets import find_net

    try:
        find_net(net).card(net)
    except UsageError as error:
        return [f"--net: {error.sentence} {error.hint}"]
    return []


def parse_whole_number(flag: str, typed: str | None, hint: str) -> int | None:
    """The number given for a flag that takes at least 1; None if it was not given."""
    if typed is None:
        return None
    if not typed.isdecimal() or int(typed) < 1:
        raise UsageError(f"{flag} must be a whole number of at least 1, not {typed!r}.", hint)
    return int(typed)


def check_language(typed: str, hint: str) -> None:
    """Raise `UsageError` if the language is not one of a report."""
    languages = FLAGS["lang"].words
    if typed not in languages:
        near = did_you_mean(typed, languages)
        raise UsageError(
            f"--lang is {typed!r}; it must be one of {', '.join(languages)}{near}", hint
        )


def parse_typed_options(given: dict[str, Any], faults: Iterable[str] = ()) -> "Options":
    """The options that were typed; raises `UsageError` with every fault of the command."""
    from striate.config.settings import check_settings  # reaches numpy

    context = click.get_current_context()
    typed = {name: value for name, value in given.items() if value is not None}
    every = [*context.meta[FAULTS_KEY], *faults]
    return check_settings(
        typed, spelt=flag_name, faults=every, hint=f"Type: {context.command_path} --help"
    )


def idle_in_judging() -> tuple[str, ...]:
    """Settings that have no effect in an evaluation."""
    from striate.predict.judging import IDLE

    return IDLE


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that were typed, checked, by name."""
    from striate.values import Options

    typed = {name: given[name] for name in Options.__dataclass_fields__ if given.get(name)}
    options = parse_typed_options(typed)
    return {name: getattr(options, name) for name in typed}


def _make_option(name: str, default: object) -> click.Option:
    flag = FLAGS[name]
    names = [each for each in (flag.short, flag_name(name)) if each]
    if default is False:
        return click.Option(names, is_flag=True, default=None, help=flag.about)
    shown = "" if default is None else f"  [{_format_default(default)}]"
    # Paths only so that shells complete them; whether they are there is checked with the rest.
    kind = click.Path() if flag.metavar in ("FILE", "FOLDER") else None
    complete = _make_completer(flag.words) if flag.words else None
    return click.Option(
        names, metavar=flag.metavar, help=flag.about + shown, type=kind, shell_complete=complete
    )


def _format_default(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    return f"{default:,}" if isinstance(default, int) else str(default)


def _make_completer(words: tuple[str, ...]) -> Callable[..., list[str]]:
    return lambda ctx, param, incomplete: [word for word in words if word.startswith(incomplete)]


FLAGS: dict[str, Flag] = {
    "minutes": Flag(
        short="-m", metavar="M", about="Time budget in minutes, from start to report; at least 0.5."
    ),
    "seed": Flag(short="-s", metavar="N", about="Seed of all random numbers."),
    "strategy": Flag(
        metavar="NAME",
        words=("auto", "linear", "layers", "shallow", "deep", "scratch"),
        about="Training strategy: auto, linear, layers, shallow, deep or scratch.",
    ),
    "task": Flag(
        metavar="NAME",
        words=("auto", "label", "labels", "number"),
        about="What to predict for an image: label (one class), labels (several, written "
        "a|b) or number. auto takes labels if a table's labels contain |, else label.",
    ),
    "net": Flag(metavar="NAME", about="Network: a name from `striate nets`, or any CNN of timm."),
    "weights": Flag(metavar="FILE", about="File with weights for the network (.safetensors, .pt)."),
    "split": Flag(
        metavar="HOW",
        words=("auto", "pool"),
        about="auto keeps given splits; pool pools all images and splits them anew; FILE, "
        "the index.csv of an earlier run, keeps its images in their splits and "
        "splits only the new ones.",
    ),
    "device": Flag(
        metavar="NAME",
        words=("auto", "cpu", "cuda", "mps"),
        about="auto, cpu, cuda, cuda:1 or mps.",
    ),
    "plan": Flag(metavar="FILE", about="Follow this plan.json instead of choosing a strategy."),
    "out": Flag(short="-o", metavar="FOLDER", about="Run folder to write.  [runs/NAME-K]"),
    "restart": Flag(about="Clear the run folder and start again."),
    "strict": Flag(about="End with exit code 4 if a file had to be excluded."),
    "drop_rare": Flag(about="Leave out classes with fewer than two images."),
    "max_pixels": Flag(metavar="N", about="Exclude images with more pixels than this."),
    "min_accuracy": Flag(
        metavar="A", about="End with exit code 1 if the accuracy is below A (0 to 1)."
    ),
    "lang": Flag(
        metavar="LANG",
        words=("auto", "en", "zh"),
        about="Language of terminal and report: auto (from the locale), en or zh.",
    ),
    "group": Flag(
        metavar="COLUMN",
        about="Table column of groups; images of one group stay in the same split.",
    ),
    "group_pattern": Flag(
        metavar="REGEX",
        about="Regular expression; what its ( ) captures in an image's path is its group, "
        "such as 'patient(\\d+)_'. {class} stands for the class.",
    ),
    "label_pattern": Flag(
        metavar="REGEX",
        about="Regular expression; what its ( ) captures in the file name is the label, "
        "such as '^([a-z]+)\\.' for cat.1.jpg. With a / in it, the whole path is "
        "searched.",
    ),
    "classes_are_splits": Flag(about="Folders named train, val or test are classes, not splits."),
    "crop": Flag(about="Cut out every box of a YOLO or COCO source as an image of its own."),
    "image": Flag(metavar="COLUMN", about="Table column of image paths."),
    "label": Flag(
        metavar="COLUMN",
        about="Table column of classes; or several columns, as a,b,c, that hold 1 or 0 for "
        "a label each.",
    ),
    "split_column": Flag(metavar="COLUMN", about="Table column that says train, val or test."),
    "weight": Flag(metavar="COLUMN", about="Table column of sample weights."),
    "set": Flag(metavar="CHOICES", about="Settings of the plan, such as 'activation=elu l1=1e-4'."),
    "remedy": Flag(about="Always try remedies for overfitting and underfitting."),
    "no_remedy": Flag(about="Never try remedies."),
    "race": Flag(
        about="Compare a few settings with the default recipe by successive halving before "
        "training."
    ),
    "root": Flag(
        metavar="FOLDER", about="Folder that the paths in a table start from.  [the table's folder]"
    ),
    "encoding": Flag(metavar="NAME", about="Encoding of a table, such as cp1251 or shift_jis."),
    "label_separator": Flag(
        metavar="TEXT", about="Text between several labels in one cell of a table, such as ','."
    ),
    "data_root": Flag(
        metavar="FOLDER",
        about="Folder in which a known data set is already; without it, the set is downloaded.",
    ),
}


SHELLS = ("bash", "zsh", "fish")


def completion_script(program: click.Command, shell: str) -> str:
    """The completion script for a shell; raises `UsageError` for an unknown shell."""
    if shell not in SHELLS:
        near = did_you_mean(shell, SHELLS)
        raise UsageError(
            f"There is no completion for the shell {shell!r}; it must be one of "
            f"{', '.join(SHELLS)}{near}",
            "Type: striate completion --help",
        )
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    place = {"bash": "~/.bashrc", "zsh": "~/.zshrc"}.get(shell)
    where = f">> {place}" if place else "> ~/.config/fish/completions/striate.fish"
    head = (
        f"# Completion of striate for {shell}. To install it: striate completion {shell} {where}\n"
    )
    return head + kind(program, {}, "striate", "_STRIATE_COMPLETE").source().lstrip("\n")
