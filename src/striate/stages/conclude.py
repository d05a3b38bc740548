"""The end of a fit: scores, findings, summary and report, from the run folder's contents."""

from dataclasses import replace

import numpy as np

from striate.config.overrides import reading_options, split_options
from striate.data.cache import build_cache
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import FOLDS, split_index
from striate.diagnose import fit_verdict, run_checks
from striate.explain import explain_network
from striate.explain._network_view import view_network
from striate.metrics.score import score_predictions
from striate.predict.classifier import as_predictions, load_classifier
from striate.predict.model_files import read_spec
from striate.report.compose import compose_report
from striate.report.html import render_page
from striate.report.language import choose_language
from striate.run import FIRST_MODEL, Run
from striate.stages.baseline_models import measure_baselines
from striate.stages.improve import explain_no_change
from striate.store.files import array_codec, arrays_codec
from striate.store.summary import summarise_run
from striate.train.fast.machine import measure_machine
from striate.values import (
    Cache,
    Finding,
    History,
    Index,
    Machine,
    Plan,
    Predictions,
    Score,
    Seconds,
    Split,
    Values,
)


def conclude_run(run: Run, index: Index, split: Split, cache: Cache, machine: Machine) -> None:
    """Write findings, summary and report, and mark the run as finished."""
    values = explain_no_change(run, gather_values(run, index, split, cache, machine))
    if index.task == "label" and values.counted.any():
        with run.timed("ladder"):
            ladder = run.keep(
                "ladder.json",
                lambda: measure_baselines(run, values),
                inputs=("split.npz", "plan.json", "predictions.csv"),
            )
        values = replace(values, ladder=ladder)
    findings = run_checks(values)
    run.write("findings.json", findings)
    _write_report_file(run, values, choose_language(run.record.settings.lang))
    summary = replace(
        values.summary,
        verdict=fit_verdict(findings, values),
        findings=tuple(f.code for f in findings if f.outcome == "found"),
        seconds=_seconds(run),
    )
    run.finish(summary)


def write_report(run: Run, lang: str = "auto") -> None:
    """Write the report of a run again, from its folder; the images come from the cache."""
    index: Index = run.read("index.csv")
    index, cache = build_cache(index, reading_options(run.record.settings))
    if run.holds("split.npz"):
        split = run.read("split.npz", arrays_codec(Split))
    else:
        split = split_index(
            index, find_duplicate_groups(index, cache), split_options(run.record.settings)
        )
    values = gather_values(run, index, split, cache, measure_machine(run.record.settings.device))
    values = replace(values, summary=run.summary)
    _write_report_file(run, values, choose_language(lang))


def gather_values(run: Run, index: Index, split: Split, cache: Cache, machine: Machine) -> Values:
    """All values of a fit that has predictions."""
    predictions: Predictions = run.read("predictions.csv")
    crossed = split.evaluation == "cross-validation"
    rows = split.train if crossed else split.test
    val = _val_predictions(run, index, split)
    plan: Plan = run.read("plan.json")
    history: History = run.read("history.csv")
    summary = summarise_run(
        run=str(run.folder),
        index=index,
        split=split,
        test=_test_score(run, predictions, index, split),
        val=_val_score(val, index, split),
        plan=plan,
        history=history,
        seconds=_seconds(run),
        machine=machine,
    )
    return Values(
        options=run.record.settings,
        index=index,
        split=split,
        cache=cache,
        machine=machine,
        evidence=run.read("evidence.json"),
        plan=plan,
        history=history if history.epochs else None,
        model=read_spec(run.model),
        predictions=predictions,
        val_predictions=val,
        test_rows=rows,
        summary=summary,
        doubts=run.read("doubts.csv") if run.holds("doubts.csv") else (),
        outliers=run.read("outliers.csv") if run.holds("outliers.csv") else None,
        layers=run.read("layers.json") if run.holds("layers.json") else None,
        ladder=run.read("ladder.json") if run.holds("ladder.json") else None,
    )


def _write_report_file(run: Run, values: Values, lang: str) -> None:
    findings: tuple[Finding, ...] = run.read("findings.json")
    values = replace(values, summary=replace(values.summary, verdict=fit_verdict(findings, values)))
    classifier = load_classifier(run.model)
    explanations = explain_network(classifier.network, values, values.cache)
    view = view_network(classifier.network, values, values.cache)
    report = compose_report(values, findings, explanations, lang, view)
    run.write("report.html", render_page(report))


def _test_score(run: Run, predictions: Predictions, index: Index, split: Split) -> Score | None:
    crossed = split.evaluation == "cross-validation"
    rows = split.train if crossed else split.test
    return score_predictions(
        predictions,
        groups=split.groups[rows],
        counted=~np.isin(rows, split.leaked),
        distinct=index.firsts(rows),
        evaluation=split.evaluation,
        looks=len(run.record.looks),
        seed=run.record.seed,
        folds=FOLDS if crossed else 0,
        majority=split.majority(index.labels()) if index.task == "label" else None,
    )


def _val_score(val: Predictions | None, index: Index, split: Split) -> Score | None:
    if val is None:
        return None
    first = index.firsts(split.val)
    return score_predictions(
        val, groups=split.groups[split.val], distinct=first, evaluation="validation"
    )


def _val_predictions(run: Run, index: Index, split: Split) -> Predictions | None:
    if not len(split.val) or not run.holds("val.npy"):
        return None
    if index.task != "label":
        examples = [index.examples[row] for row in split.val]
        found = np.asarray(run.read("val.npy", array_codec()))
        return as_predictions(read_spec(run.model), examples, found)
    return Predictions(
        classes=index.classes,
        paths=tuple(index.examples[row].path for row in split.val),
        probabilities=np.asarray(run.read("val.npy", array_codec())),
        truth=index.labels()[split.val],
    )


def _seconds(run: Run) -> Seconds:
    stages = dict(run.record.stages)
    first = stages.pop(FIRST_MODEL, run.clock.elapsed())
    return Seconds(total=round(run.clock.elapsed(), 2), first_model=round(first, 2), stages=stages)
