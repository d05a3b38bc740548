"""Findings, most severe first, and the checks that passed."""

from collections.abc import Sequence

from striate.report.language import Words
from striate.values import Block, Finding, Section, Verdict

GRAVITY = ("serious", "warning", "advice", "info")


def findings_section(
    findings: tuple[Finding, ...], verdict: Verdict, words: Words
) -> Section | None:
    """A card per finding; checks that passed or do not apply are in a collapsed table.

    The finding behind the verdict is omitted, since the verdict repeats it.
    """
    if not findings:
        return None
    found = [
        finding for finding in sort_by_gravity(findings) if finding.meaning != verdict.sentence
    ]
    others = [finding for finding in findings if finding.outcome != "found"]
    blocks = [_finding_card(finding, words) for finding in found]
    if others:
        blocks.append(_other_findings_table(others, words))
    passed = sum(finding.outcome == "passed" for finding in others)
    lead = words("findings.lead", n=len(found), passed=passed)
    if not found:
        told = any(f.meaning == verdict.sentence and f.outcome == "found" for f in findings)
        lead = words("findings.beside_verdict" if told else "findings.calm", n=passed)
    return Section(key="findings", title=words("findings.title"), lead=lead, blocks=tuple(blocks))


def sort_by_gravity(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with outcome `found`, most severe first."""
    return sorted(
        (finding for finding in findings if finding.outcome == "found"),
        key=lambda finding: GRAVITY.index(finding.severity),
    )


def _finding_card(finding: Finding, words: Words) -> Block:
    title, meaning, advice = words.finding(finding)
    return Block(kind="finding", title=title, text=meaning, note=advice, severity=finding.severity)


def _other_findings_table(findings: list[Finding], words: Words) -> Block:
    rows = []
    for finding in findings:
        title, meaning, _ = words.finding(finding)
        rows.append((title, words(f"outcome.{finding.outcome}"), meaning))
    return Block(
        kind="table",
        title=words("findings.others"),
        header=tuple(words(f"findings.{name}") for name in ("check", "outcome", "meaning")),
        rows=tuple(rows),
        folded=True,
    )
