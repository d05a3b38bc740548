"""What striate itself stored: weights, model cards, plans, `run.json`, checkpoints."""

import io

import msgspec
import safetensors.torch
import torch
from tests.fire.fuzz.target import Target, of_file
from tests.made import values

from striate.predict.model_files import WEIGHTS, read_spec
from striate.store.files import from_json, to_json
from striate.store.plan_files import plan_content, read_plan
from striate.store.record import RunRecord, SourceRecord, new_record
from striate.train.checkpoint import NAME, load_checkpoint
from striate.values import Options, Summary
from striate.weights.reading import open_weights

MADE = values()
TENSORS = {"head.weight": torch.ones(3, 4), "head.bias": torch.zeros(3)}
SPEC = msgspec.json.encode(MADE.model).decode()
SAFE = safetensors.torch.save(TENSORS, metadata={"striate": SPEC})
RECORD = new_record("pets", SourceRecord(address="pets"), Options(), "striate fit pets", {})
NUMBERS = (b"1e999", b"-1", b"NaN", b"9" * 400, b"null", b"[]", b"{", b'"', b"true", b"[" * 10)


def _saved(content: object, **more: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **more)
    return file.getvalue()


PICKLES = {
    "zip": _saved(TENSORS),
    "wrapped": _saved({"state_dict": TENSORS, "arch": "resnet18"}),
    "legacy": _saved(TENSORS, _use_new_zipfile_serialization=False),
}

TARGETS = (
    Target(name="weights", parse=of_file(open_weights, "a.pt"), seeds={**PICKLES, "safe": SAFE}),
    Target(
        name="model_card",
        parse=of_file(lambda path: read_spec(path.parent), WEIGHTS),
        seeds={"model": SAFE},
        words=NUMBERS,
    ),
    Target(
        name="plans",
        parse=of_file(read_plan, "plan.json"),
        seeds={"plan": to_json(plan_content(MADE.plan), indent=None)},
        words=NUMBERS,
    ),
    Target(
        name="records",
        parse=lambda content: from_json(content, RunRecord, "run.json"),
        seeds={"run": to_json(RECORD, indent=None)},
        words=NUMBERS,
    ),
    Target(
        name="summaries",
        parse=lambda content: from_json(content, Summary, "summary.json"),
        seeds={"summary": to_json(MADE.summary, indent=None)},
        words=NUMBERS,
    ),
    Target(
        name="checkpoints",
        parse=of_file(lambda path: load_checkpoint(path.parent, "key"), NAME),
        seeds={"safe": SAFE},
        words=NUMBERS,
    ),
)
