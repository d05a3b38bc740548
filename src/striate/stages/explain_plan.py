"""`fit --explain-plan`: evidence and plan of a source, without training."""

import tempfile
from dataclasses import replace
from pathlib import Path

from striate.config.overrides import (
    parse_overrides,
    reading_options,
    split_options,
    training_options,
)
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.errors import UsageError
from striate.learn.check_options import check_requested_network
from striate.learn.context import Budget, FitContext, RunPort
from striate.learn.gather_evidence import gather_evidence
from striate.learn.linear.backbones import choose_backbone, probe_first_backbone
from striate.stages.fit_run import (
    FOLDS_AND_MODEL,
    build_requested_cache,
    read_given_plan,
    training_data,
)
from striate.store.clock import TimeBudget
from striate.strategy.choose import choose_plan
from striate.train.fast.machine import apply_machine, measure_machine
from striate.values import Evidence, Options, Plan, Watch


def explain_plan(
    source: object, options: Options, watch: Watch, clock: TimeBudget
) -> tuple[Evidence, Plan]:
    """The evidence and the plan of `fit`, without the short trial trainings.

    No run folder is made. Raises `UsageError` if images do not have exactly one label.
    """
    reading = reading_options(options)
    index = read_index(source, reading)
    if index.task != "label":
        raise UsageError(
            "Leave --explain-plan out.", "--explain-plan works only where an image has one label."
        )
    training = training_options(options, parse_overrides(options.set))
    index, cache = build_requested_cache(
        index, reading, read_given_plan(options), training.overrides, watch
    )
    split = split_index(index, find_duplicate_groups(index, cache), split_options(options))
    parts = FOLDS_AND_MODEL if split.evaluation == "cross-validation" else 1
    machine = measure_machine(options.device)
    with apply_machine(machine), tempfile.TemporaryDirectory() as folder:
        context = FitContext(
            data=training_data(index, split, cache, options.seed),
            budget=Budget(
                minutes=options.minutes / parts,
                seconds_left=lambda: clock.remaining() / parts,
                judge_images=0 if parts > 1 else len(split.test),
            ),
            port=RunPort(
                checkpoints=Path(folder),
                keep=lambda name, make, codec=None, *, inputs=None, also=None: make(),
                publish=lambda name, value: None,
                usable=lambda classifier: None,
                watch=watch,
            ),
            options=training,
            machine=machine,
            given_plan=None,
        )
        check_requested_network(context)
        linear = probe_first_backbone(context) if options.strategy != "scratch" else None
        linear = choose_backbone(context, linear) if linear is not None else None
        evidence = gather_evidence(context, linear, trials=False)
        plan = choose_plan(evidence, context.budget.seconds_left(), training, machine)
        return evidence, replace(plan, because=(*evidence.notes, *plan.because))
