"""The budget's clock, and the share of the machine that other programs leave."""

import sys
import time

import pytest

from striate.store.clock import CpuSeconds, TimeBudget, free_share, read_cpu_seconds


def at(seconds: float, busy: float, own: float) -> CpuSeconds:
    return CpuSeconds(at=seconds, busy=busy, own=own)


@pytest.mark.parametrize(
    ("busy", "own", "threads", "share"),
    [
        (10.0, 10.0, 2, 1.0),  # nobody else
        (11.5, 10.0, 2, 1.0),  # what any system does beside a program
        (20.0, 20 / 3, 2, 0.5),  # two loops: four threads share two cores
        (20.0, 4.0, 2, 2 / 6),  # four loops
        (20.0, 10.0, 2, 2 / 3),  # one loop beside one thread of ours: no core was idle
        (20.0, 10.0, 1, 1.0),  # for one thread there is a core
    ],
)
def test_threads_share_the_cores(busy: float, own: float, threads: int, share: float) -> None:
    found = free_share(at(0, 0, 0), at(10.0, busy, own), cores=2, threads=threads)
    assert found == pytest.approx(share)


def test_nothing_is_concluded_from_a_moment() -> None:
    assert free_share(at(0, 0, 0), at(0.5, 1.0, 0.1), cores=2, threads=2) == 1.0


def test_a_machine_that_does_not_tell_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.store.clock.read_cpu_seconds", lambda: None)
    assert TimeBudget(1.0).free_share(2) == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/stat is Linux's")
def test_the_seconds_of_all_cores_are_read() -> None:
    before = read_cpu_seconds()
    time.sleep(0.01)
    now = read_cpu_seconds()
    assert before is not None
    assert now is not None
    assert now.at > before.at
    assert now.busy >= before.busy > 0
    assert 0 < TimeBudget(1.0).free_share(1) <= 1
