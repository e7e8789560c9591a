"""The documentation names files and tests that exist, and answers every defect."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from twinstroke.cli.main import verbs

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/twinstroke"
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "data/README")),
    *(ROOT / "data/raw" / folder / "README.md" for folder in ("", "demo", "paper")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FOLDERS = "src|stages|tests|docs|benchmarks|experiments"
TARGETS = {"repro", "test", "environment", "lock"}
"""Of make, if its file has them; all else is a verb of ``twinstroke``."""
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def _code(document: Path) -> Iterator[str]:
    """Each line of the blocks of code, and each piece of code within a sentence."""
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"(?ms)^ *```.*?\n(.*?)^ *```$", text):
        # A line may go on in the next.
        yield from block.replace("\\\n", " ").splitlines()
    for piece in re.findall(r"`([^`]+)`", re.sub(r"(?ms)^ *```.*?^ *```$", "", text)):
        yield " ".join(piece.split())


def _calls(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of ``twinstroke`` in the code: its verb and the names of its options."""
    for line in _code(document):
        for verb, rest in re.findall(r"(?<![\w/.-])twinstroke ([a-z][\w-]*)([^|;#]*)", line):
            yield verb, re.findall(r"(?<!\S)-{1,2}[a-z][\w-]*", rest)


def _options(verb: str) -> set[str]:
    _, command, _ = verbs.resolve_command(click.Context(verbs), [verb])
    assert command is not None
    options = {option for own in command.params for option in (*own.opts, *own.secondary_opts)}
    return {"--help", *options}


@each_document
def test_named_files_and_tests_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target
    for name in re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./-]*)", text):
        assert (ROOT / name.rstrip(".")).exists(), name
    for name in re.findall(r"`(\w+/[\w/]+\.py)`", text):
        assert (ROOT / name).exists() or (PACKAGE / name).exists(), name
    for file, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


@each_document
def test_commands_are_there_and_have_the_options(document: Path) -> None:
    for verb, options in _calls(document):
        assert set(options) <= _options(verb), verb
    rules = re.findall(r"(?m)^([a-z][\w -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    targets = TARGETS & set(" ".join(rules).split())
    for line in _code(document):
        # As a command: "what the stages make of it" is none.
        call = re.match(r" *(?:\$ )?(?:\w+=\S* )*make (?:\w+=\S* )*([a-z][\w-]*)", line)
        assert not call or call[1] in targets, line
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"python -m (twinstroke|experiments|benchmarks)", text)


def test_every_verb_is_documented() -> None:
    told = {verb for document in DOCUMENTS for verb, _ in _calls(document)}
    assert set(verbs.list_commands(click.Context(verbs))) <= told


@each_document
def test_links_within_a_document_lead_to_headings(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"(?m)^#+ (.*)$", text)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_every_defect_of_the_published_code_is_answered() -> None:
    text = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    assert [int(row[0]) for row in rows] == list(range(1, 30))
    for number, _, answer, code, test in rows:
        assert answer, number
        # Row 15 is about what does not exist here.
        assert ("`tests/" in test and "`" in code) != (number == "15"), number
