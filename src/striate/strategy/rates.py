"""The learning rate of an optimizer that was asked for: a recipe's is meant for its own."""

from dataclasses import replace

from striate.values import Choice, Plan, say


def with_rate(plan: Plan) -> Plan:
    """The plan with a rate that fits its optimizer, where that was asked for and no rate was."""
    if plan.optimizer.ground != "asked" or plan.learning_rate.ground == "asked":
        return plan
    kind = "scratch" if plan.strategy.value == "scratch" else "tuned"
    rate = RATES.get((kind, plan.optimizer.value))
    return plan if rate is None else replace(plan, learning_rate=rate)


# Pairs that are not here keep the recipe's rate. From scratch SGD does, since Muon's 0.12 was as
# good for it as 0.1 (LOG 2026-11-25); tuned by Muon none was measured.
RATES: dict[tuple[str, str], Choice[float]] = {
    ("scratch", "adamw"): Choice(
        value=3e-3,
        why=say(
            "plan.rate_adamw",
            "AdamW moves every weight by about the rate: of 0.001, 0.003 and 0.01 the middle one, "
            "on 840 CIFAR-10 images as good as Muon at its own",
        ),
        ground="measured",
    ),
    ("tuned", "sgd"): Choice(
        value=1e-2,
        why=say(
            "plan.rate_sgd",
            "ten times AdamW's: the usual rate for tuning with momentum, whose step is no longer "
            "than the gradient",
        ),
        ground="convention",
    ),
}
