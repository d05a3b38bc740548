"""`striate completion`: a script that completes verbs and flags, with what to do with it."""

import click

from striate.errors import UsageError
from striate.spelling import did_you_mean

SHELLS = ("bash", "zsh", "fish")


def completion_script(program: click.Command, shell: str) -> str:
    """The script for a shell; raises `UsageError` where it is none of those known."""
    if shell not in SHELLS:
        near = did_you_mean(shell, SHELLS)
        raise UsageError(
            f"There is no completion for {shell!r}; it must be one of {', '.join(SHELLS)}{near}",
            "Type: striate completion --help",
        )
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    place = {"bash": "~/.bashrc", "zsh": "~/.zshrc"}.get(shell)
    where = f">> {place}" if place else "> ~/.config/fish/completions/striate.fish"
    head = f"# Completion of striate for {shell}. To keep it: striate completion {shell} {where}\n"
    return head + kind(program, {}, "striate", "_STRIATE_COMPLETE").source().lstrip("\n")
