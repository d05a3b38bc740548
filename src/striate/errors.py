"""What can go wrong, as exceptions: one sentence, one hint, one exit code each."""


class StriateError(Exception):
    """The base of every error that striate raises on purpose.

    `sentence` names the thing and where it is; `hint` says what to type or do;
    `exit_code` is what the command line ends with.
    """

    exit_code = 7

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence}\n{self.hint}" if self.hint else self.sentence

    def __reduce__(self) -> tuple[type["StriateError"], tuple[str, str]]:
        return type(self), (self.sentence, self.hint)


class UsageError(StriateError, ValueError):
    """The command or the call is wrong: a flag, a value, a name, two that exclude each other."""

    exit_code = 2


class RunMissingError(UsageError, FileNotFoundError):
    """The run folder that was named is not there."""


class SourceError(StriateError, ValueError):
    """The source holds nothing that can be learnt from: empty, one class, no permission."""

    exit_code = 3


class SourceMissingError(SourceError, FileNotFoundError):
    """The source, or a file that it names, is not there."""


class StrictError(StriateError):
    """Images were set aside and `strict` was asked for."""

    exit_code = 4


class ModelError(StriateError, ValueError):
    """Weights or a model cannot be used: damaged, of another shape, unsafe, too new."""

    exit_code = 5


class HubError(ModelError):
    """Weights cannot be fetched: another network may be taken in their place."""


class MachineError(StriateError, OSError):
    """The machine cannot: disk full, not writable, out of memory after every fallback."""

    exit_code = 6
