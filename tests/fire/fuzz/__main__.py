"""Fuzzes one parser for some time: `python -m tests.fire.fuzz NAME --seconds 300`.

With atheris, where it is installed, inputs grow by what they reach in the code; without it they
are drawn as the tests draw them. An input that breaks the law ends it, kept in `--keep`.
"""

import argparse
import importlib.util
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from tests.fire.fuzz.target import Target, inputs, must_hold

COVERED = ["striate", "zipfile", "tarfile", "csv", "json", "PIL", "gzip", "numpy.lib.format"]


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fire.fuzz")
    parser.add_argument("name")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--keep", type=Path, default=Path("scratch/fuzz"))
    parser.add_argument("--try", dest="given", type=Path, help="one input, such as a kept one")
    asked = parser.parse_args()
    grows = importlib.util.find_spec("atheris") and not asked.given
    target = _target(asked.name, instrumented=bool(grows))
    if asked.given:
        must_hold(target, asked.given.read_bytes())
    elif grows:
        _grow(target, asked.seconds, asked.keep)
    else:
        _draw(target, asked.seconds, asked.keep)


def _target(name: str, instrumented: bool) -> Target:
    if instrumented:
        import atheris

        with atheris.instrument_imports(include=COVERED):
            from tests.fire.fuzz.every import TARGETS
    else:
        from tests.fire.fuzz.every import TARGETS
    return TARGETS[name]


def _grow(target: Target, seconds: int, keep: Path) -> None:
    import atheris

    corpus = keep / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in target.seeds.items():
        (corpus / name).write_bytes(content)
    words = keep / f"{target.name}.dict"
    lines = ["".join(f"\\x{byte:02x}" for byte in word[:60]) for word in target.words]
    words.write_text("".join(f'"{line}"\n' for line in lines), "ascii")
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            "-timeout=60",
            "-rss_limit_mb=4000",
            "-max_len=65536",
            *([f"-dict={words}"] if target.words else []),
            f"-artifact_prefix={keep}/{target.name}-",
            "-print_final_stats=1",
            str(corpus),
        ],
        lambda content: must_hold(target, content),
    )
    atheris.Fuzz()


def _draw(target: Target, seconds: int, keep: Path) -> None:
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:

        @seed(tried)
        @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
        @given(content=inputs(target))
        def try_some(content: bytes) -> None:
            if time.monotonic() < until:
                (keep / f"{target.name}-last").write_bytes(content)
                must_hold(target, content)

        keep.mkdir(parents=True, exist_ok=True)
        try_some()
        tried += 500
    sys.stdout.write(f"{target.name}: {tried:,} inputs\n")


if __name__ == "__main__":
    _main()
