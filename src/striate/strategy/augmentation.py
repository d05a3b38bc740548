"""Which augmentations a training uses: the recipe's, and copies measured to keep labels true."""

from striate.strategy.recipes import Recipe
from striate.values import Choice, CopyGain, Evidence, say


def augmentation(recipe: Recipe, evidence: Evidence, strategy: str) -> Choice[dict[str, float]]:
    """The recipe's augmentation, and copies that were measured to keep labels true.

    Turning was measured on pretrained features, and is left to what is tuned from them: whether
    it pays in a short training from scratch is another question.
    """
    flips, turns = evidence.flips, evidence.rotations
    if flips is None or turns is None:
        return _mirrored(recipe, flips)
    figures = {
        "flips": flips.gain,
        "flips_error": flips.error,
        "turns": turns.gain,
        "turns_error": turns.error,
        "loss": flips.log_loss,
        "n": flips.n,
    }
    measured = (
        "a linear model's log loss on {n:,} images as they are falls from {loss:.3f} by "
        "{flips:.3f} ± {flips_error:.3f} with mirrored copies and by {turns:.3f} ± "
        "{turns_error:.3f} with turned ones"
    )
    tuned = strategy != "scratch"
    used = {"flip": 1.0} if flips.helps else {}
    used |= {"rotate": 1.0} if turns.helps and tuned else {}
    code = {
        (True, True, True): "plan.copies_both",
        (True, True, False): "plan.copies_flips_scratch",
        (False, True, True): "plan.copies_turns",
        (False, True, False): "plan.copies_none_scratch",
    }.get(
        (flips.helps, turns.helps, tuned),
        "plan.copies_flips" if flips.helps else "plan.copies_none",
    )
    why = say(code, f"{measured}: {_COPIES_USED[code]}", **figures)
    return Choice(value={**recipe.augment.value, **used}, why=why, ground="measured")


def _mirrored(recipe: Recipe, flips: CopyGain | None) -> Choice[dict[str, float]]:
    """The same where turning was not measured, as in runs of before."""
    if flips is None:
        return recipe.augment
    figures = {"gain": flips.gain, "error": flips.error, "loss": flips.log_loss, "n": flips.n}
    if flips.helps:
        why = say(
            "plan.flips",
            "mirrored copies lower a linear model's log loss by {gain:.3f} ± {error:.3f} from "
            "{loss:.3f} on {n:,} images as they are",
            **figures,
        )
        return Choice(value={**recipe.augment.value, "flip": 1.0}, why=why, ground="measured")
    why = say(
        "plan.no_flips",
        "small shifts keep every label true; mirrored copies do not help a linear model (log "
        "loss lower by {gain:.3f} ± {error:.3f} from {loss:.3f} on {n:,} images)",
        **figures,
    )
    return Choice(value=recipe.augment.value, why=why, ground="measured")


_COPIES_USED = {
    "plan.copies_both": "both are used",
    "plan.copies_flips": "only mirroring is used",
    "plan.copies_turns": "only turning is used",
    "plan.copies_none": "neither is used, only small shifts",
    "plan.copies_flips_scratch": "only mirroring is used; turning is safe, but was not measured "
    "to pay from scratch",
    "plan.copies_none_scratch": "neither is used; turning is safe, but was not measured to pay "
    "from scratch",
}
