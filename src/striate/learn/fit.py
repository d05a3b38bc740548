"""The procedure of a fit: gather evidence, choose a plan, train, gate on held-out images.

What differs between tasks is a row of functions, `TaskSteps`; what a training by steps needs to
know of a task is `TaskSpec`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from striate.learn.check_options import check_requested_network, lacks_pretrained_weights
from striate.learn.context import FitContext, FitResult
from striate.learn.finetune.gradient_training import train_by_gradient, try_second_strategy
from striate.learn.finetune.lr_range_test import apply_lr_range_test
from striate.learn.finetune.successive_halving import race_settings
from striate.learn.gather_evidence import gather_evidence
from striate.learn.linear import class_fit, target_fit
from striate.learn.linear.class_fit import publish_outliers
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.override_cost import add_ignored_settings, add_override_cost
from striate.predict.classifier import Classifier
from striate.store.files import json_codec
from striate.store.plan_files import PLAN
from striate.values import CLOSED_FORM, Choice, Evidence, Plan, Task

F = TypeVar("F", bound=BackboneFeatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSteps(Generic[F]):
    """The steps of the procedure that a task has its own way of; `F` is what it reads.

    `first_model` is a usable model of training images alone, by the plan of the exact head that
    `plan_exact` makes. `tell_override_cost` adds sentences on what forcing a choice cost.
    """

    read: Callable[[FitContext], F]
    gather_evidence: Callable[[FitContext, F | None], Evidence]
    choose_plan: Callable[[FitContext, Evidence], Plan]
    plan_exact: Callable[[FitContext, Evidence, Choice[str]], Plan]
    first_model: Callable[[FitContext, F, Plan], Classifier]
    fit_closed_form: Callable[[FitContext, F, Plan, Evidence], FitResult]
    tell_override_cost: Callable[[FitContext, F | None, FitResult], FitResult]


def fit_model(context: FitContext) -> FitResult:
    """The best model that the budget and the held-out images allow."""
    return _follow_steps(context, TASK_STEPS[context.data.index.task])


def _follow_steps(context: FitContext, steps: TaskSteps[F]) -> FitResult:
    port = context.port
    check_requested_network(context)
    features = steps.read(context) if _needs_pretrained(context) else None
    if features is not None:
        publish_outliers(context, features.table)
    evidence = port.keep(
        "measured.json", lambda: steps.gather_evidence(context, features), json_codec(Evidence)
    )
    plan = port.keep(
        "chosen.json",
        lambda: _make_plan(context, steps, evidence),
        PLAN,
        also=context.budget.minutes,
    )
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = apply_lr_range_test(context, plan, features, evidence)
        plan, evidence = race_settings(context, plan, features, evidence)
    port.publish("evidence.json", evidence)
    port.publish("plan.json", plan)
    learned = _carry_out(context, steps, features, plan, evidence)
    return add_ignored_settings(context, steps.tell_override_cost(context, features, learned))


def _needs_pretrained(context: FitContext) -> bool:
    if context.given_plan:
        return context.given_plan.strategy.value != "scratch"
    strategy = context.options.strategy
    return strategy != "scratch" and not lacks_pretrained_weights(context.options)


def _make_plan(context: FitContext, steps: TaskSteps[F], evidence: Evidence) -> Plan:
    if context.given_plan is not None:
        return context.given_plan
    plan = steps.choose_plan(context, evidence)
    return replace(plan, because=(*evidence.notes, *plan.because))


def _carry_out(
    context: FitContext, steps: TaskSteps[F], features: F | None, plan: Plan, evidence: Evidence
) -> FitResult:
    """The exact head, or a training that is held against it where there are features for one."""
    if features is None:
        return train_by_gradient(context, plan, evidence, None, None)
    if plan.strategy.value in CLOSED_FORM:
        return steps.fit_closed_form(context, features, plan, evidence)
    beside = steps.plan_exact(context, evidence, replace(plan.strategy, value="linear"))
    context.port.usable(steps.first_model(context, features, beside))
    exact = partial(_fit_exact, context, steps, features)
    learned = train_by_gradient(context, plan, evidence, features, exact)
    return try_second_strategy(context, learned, plan.strategy.value, features, exact)


def _fit_exact(
    context: FitContext, steps: TaskSteps[F], features: F, evidence: Evidence, choice: Choice[str]
) -> FitResult:
    """The linear model that a training is held against."""
    plan = steps.plan_exact(context, evidence, choice)
    return steps.fit_closed_form(context, features, plan, evidence)


def _target_steps(kind: target_fit.TargetKind) -> TaskSteps[target_fit.TargetFeatures]:
    return TaskSteps(
        read=target_fit.read_backbone,
        gather_evidence=partial(target_fit.gather_target_evidence, kind),
        choose_plan=target_fit.choose_plan_of_targets,
        plan_exact=target_fit.plan_exact_targets,
        first_model=partial(target_fit.first_target_model, kind),
        fit_closed_form=partial(target_fit.fit_targets_closed_form, kind),
        tell_override_cost=lambda _context, _features, learned: learned,
    )


TASK_STEPS: dict[Task, TaskSteps[Any]] = {
    "label": TaskSteps(
        read=class_fit.read_and_probe,
        gather_evidence=gather_evidence,
        choose_plan=class_fit.choose_class_plan,
        plan_exact=class_fit.plan_exact,
        first_model=lambda context, linear, _: class_fit.probed_classifier(context, linear),
        fit_closed_form=class_fit.fit_closed_form,
        tell_override_cost=add_override_cost,
    ),
    "labels": _target_steps(target_fit.LABELS),
    "number": _target_steps(target_fit.NUMBER),
}
