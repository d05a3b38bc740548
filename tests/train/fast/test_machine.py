import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from striate.errors import UsageError
from striate.train.fast import machine, machine_speed
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.fast.machine_speed import (
    ComputeMode,
    Processor,
    find_fastest_machine,
    read_processor,
)
from striate.values import Machine

FOUND = Machine(
    device="cpu",
    processor="made up",
    threads=2,
    memory_bytes=1,
    precision="float32",
    precision_error=0.0,
    layout="channels_last",
    fused=True,
    batch_size=8,
    speeds={"features": 100.0},
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What this process remembers is forgotten before and after each test."""
    machine._load_or_measure.cache_clear()
    yield
    machine._load_or_measure.cache_clear()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cache folder of its own, and a list that grows whenever something is measured."""
    calls: list[str] = []

    def measured(device: str, found: Processor) -> Machine:
        calls.append(device)
        return FOUND

    monkeypatch.setattr(machine, "find_fastest_machine", measured)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    return calls


def next_process() -> None:
    machine._load_or_measure.cache_clear()


def test_it_is_measured_once(counted: list[str], tmp_path: Path) -> None:
    assert measure_machine("cpu") == FOUND
    assert measure_machine("cpu") == FOUND
    next_process()
    assert measure_machine("cpu") == FOUND
    assert counted == ["cpu"]
    (file,) = tmp_path.glob("machine-*.json")
    assert json.loads(file.read_text())["content"]["batch_size"] == 8
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_another_processor_or_method_is_measured_anew(
    counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_machine("cpu")
    there = read_processor()
    monkeypatch.setattr(
        machine, "read_processor", lambda: replace(there, threads=there.threads + 1)
    )
    measure_machine("cpu")
    monkeypatch.setattr(machine, "read_processor", lambda: replace(there, abilities=()))
    measure_machine("cpu")
    monkeypatch.setattr(machine, "METHOD", -1)
    next_process()
    measure_machine("cpu")
    assert len(counted) == 4


@pytest.mark.parametrize("content", ["", "{", '{"device": 3}', "[]"])
def test_a_damaged_memory_is_replaced(counted: list[str], tmp_path: Path, content: str) -> None:
    measure_machine("cpu")
    (file,) = tmp_path.glob("machine-*.json")
    whole = file.read_text()
    file.write_text(content)
    next_process()
    assert measure_machine("cpu") == FOUND
    assert len(counted) == 2
    assert file.read_text() == whole


def test_where_nothing_can_be_written_it_works_all_the_same(
    counted: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "file" / "folder"))
    assert measure_machine("cpu") == FOUND
    assert measure_machine("cpu") == FOUND
    assert len(counted) == 1


@pytest.mark.parametrize("device", ["cuda:77", "gpu", "", "cpu:0"])
def test_a_device_that_is_not_there_is_a_wrong_command(counted: list[str], device: str) -> None:
    with pytest.raises(UsageError) as caught:
        measure_machine(device)
    assert "--device cpu" in caught.value.hint
    assert not counted


def test_auto_is_the_processor_where_there_is_no_gpu(
    counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    measure_machine()
    assert counted == ["cpu"]


def test_torch_is_set_and_put_back() -> None:
    threads = torch.get_num_threads()
    with apply_machine(replace(FOUND, threads=3)):
        assert torch.get_num_threads() == 3
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), apply_machine(replace(FOUND, threads=3)):
        raise KeyError
    assert torch.get_num_threads() == threads


def test_the_real_thing_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "ROUNDS", 1)
    monkeypatch.setattr(machine_speed, "CPU_BATCHES", (4, 8))
    found = find_fastest_machine("cpu", read_processor())
    assert found.device == "cpu"
    assert found.threads >= 1
    assert found.speeds["features"] > 0
    assert found.precision_error <= machine_speed.MOST_ERROR
    assert found.batch_size in machine_speed.CPU_BATCHES
    if found.precision == "float32":
        assert found.precision_error < 1e-4
    assert any(f"{found.precision} with fused" in sentence.text for sentence in found.why)
    assert all(sentence.code.startswith("machine.") for sentence in found.why)


def way(precision: str, speed: float, *, error: float = 0.0, fused: bool = True) -> ComputeMode:
    there = replace(FOUND, precision=precision, fused=fused)
    return ComputeMode(machine=there, network=None, error=error, speed=speed)


@pytest.mark.parametrize(
    ("ways", "chosen"),
    [
        ([way("float32", 100), way("bfloat16", 250)], "bfloat16"),
        ([way("float32", 100), way("bfloat16", 119)], "float32"),
        ([way("float32", 100), way("bfloat16", 60)], "float32"),
        ([way("float32", 100, fused=False), way("bfloat16", 121)], "bfloat16"),
        ([way("float32", 100), way("bfloat16", 0, error=0.5)], "float32"),
        ([way("float32", 100)], "float32"),
    ],
)
def test_bfloat16_must_be_worth_its_error(ways: list[ComputeMode], chosen: str) -> None:
    assert machine_speed._choose_mode(ways).machine.precision == chosen


def test_the_faster_float32_is_taken() -> None:
    plain, quick = way("float32", 90, fused=False), way("float32", 100)
    assert machine_speed._choose_mode([plain, quick]) is quick
    assert machine_speed._choose_mode([quick, plain]) is quick


def raced(
    monkeypatch: pytest.MonkeyPatch, errors: dict[tuple[str, bool], float]
) -> Callable[[], list[ComputeMode]]:
    """What is tried where each way has the error given; a way without one cannot be had."""

    def tried(course: object, there: Machine) -> list[ComputeMode]:
        key = (there.precision, there.fused)
        made = ComputeMode(machine=there, network=None, error=errors.get(key, 0.0))
        return [made] if key in errors else []

    class Course:
        network = None

    monkeypatch.setattr(machine_speed, "_fused_mode", tried)
    monkeypatch.setattr(machine_speed, "optimise_for_inference", lambda network, machine: None)
    monkeypatch.setattr(machine_speed, "_compute_features", lambda course, w: w.error)
    monkeypatch.setattr(machine_speed, "_relative_error", lambda course, found, exact: found)
    able = Processor(name="", threads=1, memory_bytes=0, abilities=("amx_bf16",))
    return lambda: machine_speed._candidate_modes(Course(), "cpu", able)


def test_plain_kernels_are_left_out_where_fused_ones_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = raced(monkeypatch, {("float32", True): 1e-6, ("bfloat16", True): 0.01})()
    assert [(w.machine.precision, w.machine.fused) for w in tried] == [
        ("float32", True),
        ("bfloat16", True),
    ]


@pytest.mark.parametrize("errors", [{}, {("float32", True): 0.6}])
def test_plain_kernels_stay_where_fused_ones_are_absent_or_wrong(
    monkeypatch: pytest.MonkeyPatch, errors: dict[tuple[str, bool], float]
) -> None:
    tried = raced(monkeypatch, errors)()
    within = [w for w in tried if w.error <= machine_speed.MOST_ERROR]
    assert [(w.machine.precision, w.machine.fused) for w in within] == [("float32", False)]


def test_without_instructions_for_it_bfloat16_is_not_tried() -> None:
    plain = Processor(name="", threads=1, memory_bytes=0, abilities=("avx2", "avx512f"))
    assert not machine_speed._has_bfloat16("cpu", plain)
    assert machine_speed._has_bfloat16("cpu", replace(plain, abilities=("avx512_bf16",)))


def test_the_processor_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_processor()
    assert found.name
    assert found.threads >= 1
    assert found.memory_bytes >= 0
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert read_processor().threads == 1


def test_a_containers_share_of_the_processors_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(machine_speed, "_count_cores", lambda: 64)
    monkeypatch.setattr(machine_speed.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(machine_speed, "_read_lines", lambda path: ["300000 100000"])
    assert read_processor().threads == 3
    monkeypatch.setattr(machine_speed, "_read_lines", lambda path: ["max 100000"])
    assert read_processor().threads == 64


@pytest.mark.parametrize("net", ["compact", "lenet-5", "resnet-20", "vgg-small"])
def test_every_network_that_is_listed_has_a_speed(
    net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_speed, "ROUNDS", 1)
    monkeypatch.setattr(machine_speed, "LEAST_AT_ONCE", 4)
    assert machine_speed.measure_net_speed(net, replace(FOUND, fused=False, threads=1)) > 0
