"""A training beside the main one: in a folder of its own, out of sight of the run and its clock."""

from dataclasses import replace
from typing import Any

from striate.learn.job import Job


def apart(job: Job, folder: str) -> Job:
    """The job for a training that leaves nothing but its checkpoints, however long it takes."""
    return replace(
        job,
        checkpoints=job.checkpoints / folder,
        seconds_left=lambda: PLENTY,
        publish=_unpublished,
    )


def _unpublished(name: str, value: Any) -> None:
    """What a trial leaves is not the run's."""


PLENTY = 1e9
