"""The house keeps its own rules: floors, constants, names, lengths, and texts that speak true."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import striate
from striate.values import Options, catalog

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "striate"
ROOMS = {
    "augment": "AUGMENT",
    "data.sources": "SOURCE",
    "diagnose": "CHECK",
    "explain": "METHOD",
    "nets": "NET",
    "toolboxes.readers": "TOOLBOX",
}
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "handle", "handler"}
IMPOSED = {"handle_starttag", "handle_startendtag", "handle_endtag", "handle_data"}  # HTMLParser's
SLIVER_LINES = 40
PAGES = (
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    *sorted(
        str(page.relative_to(ROOT))
        for page in (ROOT / "docs").rglob("*.md")
        if "_build" not in page.parts
    ),
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def floors(package_parent: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the `striate` below `package_parent`."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "--no-cache",
            "--no-logo",
            "--config",
            ROOT / "pyproject.toml",
        ],
        env={"PYTHONPATH": str(package_parent), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_floors_hold() -> None:
    said = floors(PACKAGE.parent)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("stray.py", "", "striate.stray"),
        ("strategy/greedy.py", "import torch", "striate.strategy is not allowed to import torch"),
        ("data/idle.py", "import timm", "striate is not allowed to import timm"),
        (
            "data/idle.py",
            "import striate.nets",
            "striate.data is not allowed to import striate.nets",
        ),
        ("report/idle.py", "import striate.explain", "striate.report is not allowed to import"),
    ],
)
def test_floors_see_a_planted_fault(tmp_path: Path, file: str, line: str, complaint: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "striate", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "striate" / file).write_text(f'"""Idle."""\n\n{line}\n', "utf-8")
    said = floors(tmp_path)
    assert said.returncode == 1
    assert complaint in said.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_ends_in_its_constant(room: str) -> None:
    constant = ROOMS[room]
    assert catalog.collect_constants(room, constant)
    for path in (PACKAGE / room.replace(".", "/")).glob("*.py"):
        if not path.name.startswith("_"):
            assert constant in assigned(ast.parse(path.read_text("utf-8")).body[-1]), path


def assigned(statement: ast.stmt) -> set[str]:
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_no_vague_names() -> None:
    vague = []
    for path in python_files("src", "tests", "scripts", "benchmarks"):
        names = [path.stem, path.parent.name]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.append(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name))
        vague += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in names
            if VAGUE & set(name.lower().split("_")) and name not in IMPOSED
        ]
    assert not vague


def test_files_say_what_they_are() -> None:
    for path in python_files("src"):
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert docstring, f"{path} has no docstring"


def test_no_file_is_a_sliver() -> None:
    """A file of a few lines that one other file imports belongs into that one."""
    importers: dict[str, set[str]] = {}
    for path in python_files("src"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names)):
                    importers.setdefault(name, set()).add(str(path))
    catalogues = {PACKAGE / room.replace(".", "/") for room in ROOMS}
    slivers = [
        path
        for path in python_files("src")
        if path.parent not in catalogues
        and not path.name.startswith("__")
        and path.read_text("utf-8").count("\n") < SLIVER_LINES
        and len(importers.get(module_of(path), ())) <= 1
    ]
    assert not slivers


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def test_no_two_files_share_a_name() -> None:
    names = [path.name for path in python_files("src") if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def test_a_public_name_has_one_owner() -> None:
    """What is defined under one name in two modules is searched for twice."""
    owners: dict[str, list[str]] = {}
    for path in python_files("src"):
        if path.name == "cli.py" or path == PACKAGE / "__init__.py":
            continue  # verbs are called as people call them
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                owners.setdefault(node.name, []).append(module_of(path))
    assert not {name: where for name, where in owners.items() if len(where) > 1}


def test_nothing_names_a_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    place = re.compile(r"(?<![\w./])/(?:work|root|home)/\w")
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".html", ".css", ".yaml", ""}:
            found = place.search(path.read_text("utf-8")) if path.is_file() else None
            assert not found, f"{name} names {found}"


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(each for extra in extras for each in extra)]
    names = {re.split(r"[\[<>=]", each)[0].lower().replace("_", "-") for each in asked}
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert names - {"striate"} <= pinned


def shell_lines(page: str) -> list[str]:
    """The commands that a page's `bash` blocks tell its reader to type."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_the_pages_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for line in shell_lines(page):
        program, *words = line.split()
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.M), f"{page}: {line}"
        elif program == "striate":
            check_striate(page, words)


def check_striate(page: str, words: list[str]) -> None:
    from striate.cli import main

    assert isinstance(main, click.Group)
    if words[0].startswith("-"):
        command: click.Command = main
    else:
        assert words[0] in main.commands, f"{page}: striate {words[0]}"
        command = main.commands[words[0]]
    known = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word.startswith("-") and len(word) > 1:
            assert word.split("=")[0] in known | {"--help", "--version"}, f"{page}: {words}"


def test_the_two_readmes_show_the_same_code() -> None:
    def blocks(page: str) -> list[str]:
        return re.findall(
            r"^```(?:bash|python)\n.*?^```", (ROOT / page).read_text("utf-8"), re.M | re.S
        )

    english, chinese = blocks("README.md"), blocks("README.zh-CN.md")
    assert [strip_comments(block) for block in english] == [
        strip_comments(block) for block in chinese
    ]


def strip_comments(block: str) -> str:
    return re.sub(r"\s*#.*", "", block)


def test_every_entry_of_the_log_is_in_its_index() -> None:
    log = (ROOT / "docs" / "LOG.md").read_text("utf-8")
    index = log[log.index("## Index") :]
    questions = re.findall(r"^## (20\d\d-\d\d-\d\d) +(.*)$", log, re.M)
    assert len(questions) > 50
    for date, question in questions:
        row = question.strip().replace("|", "\\|")
        assert f"| {date} | {row} |" in index, question


def test_the_version_stands_in_one_place() -> None:
    assert striate.__version__ == importlib.metadata.version("striate")


def test_every_schema_is_on_its_page() -> None:
    page = (ROOT / "docs" / "reference" / "schemas.md").read_text("utf-8")
    for path in (ROOT / "docs" / "reference" / "schemas").iterdir():
        assert f"<schemas/{path.name}>" in page


def test_the_command_line_page_has_every_flag_of_fit() -> None:
    from striate.cli import main

    page = (ROOT / "docs" / "reference" / "command-line.md").read_text("utf-8")
    for parameter in main.commands["fit"].params:
        for flag in parameter.opts:
            if flag.startswith("--"):
                assert f"`{flag}" in page, flag
    for field in Options.__dataclass_fields__:
        assert f"`--{field.replace('_', '-')}" in page, field
