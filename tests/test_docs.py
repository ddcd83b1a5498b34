"""The documents point at things that exist."""

from __future__ import annotations

import pkgutil
import re
import subprocess
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
MAKE = re.compile(r"`make ([a-z][a-z -]*[a-z])(?: [A-Z]+=[^`]*)?`|^make ([a-z-]+)", re.MULTILINE)
# Wherever it stands: in backquotes, in a command, in a drawing.
CODE_FILE = re.compile(
    r"(?<![\w/.-])((?:model|service|scripts|tests|docker|docs)/[A-Za-z0-9_./-]*[A-Za-z0-9_/])"
)
CODE_NAME = re.compile(r"`((?:model|service)(?:\.\w+)+)")
COMMAND = re.compile(r"python (scripts/\w+\.py)((?:\\\n|[^\n`])*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
SETTING = re.compile(r"\bSTANDIN_[A-Z_]*[A-Z]")


def slug(heading: str) -> str:
    """The anchor that a heading gets on the usual hosts."""
    text = re.sub(r"[`*\[\]]|\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w -]", "", text).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    path = ROOT / name
    for match in LINK.finditer(path.read_text(encoding="utf-8")):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{name} links to {target}"
        if anchor and found.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{name}: #{anchor}"


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_named_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for match in MAKE.finditer((ROOT / name).read_text(encoding="utf-8")):
        for target in (match[1] or match[2]).split():
            assert target in targets, f"{name} names make {target}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CHANGELOG.md"])
def test_every_file_named_exists(name: str) -> None:
    for found in CODE_FILE.findall((ROOT / name).read_text(encoding="utf-8")):
        # A module may be named without its suffix.
        there = (ROOT / found).exists() or (ROOT / f"{found}.py").exists()
        assert there, f"{name} names {found}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CHANGELOG.md"])
def test_every_name_in_the_code_can_be_imported(name: str) -> None:
    for found in CODE_NAME.findall((ROOT / name).read_text(encoding="utf-8")):
        pkgutil.resolve_name(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_command_is_one(name: str) -> None:
    for script, words in COMMAND.findall((ROOT / name).read_text(encoding="utf-8")):
        known = set(re.findall(r"\"(--[a-z0-9-]+)\"", (ROOT / script).read_text(encoding="utf-8")))
        assert set(OPTION.findall(words)) <= known, f"{name}: {script}"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_named_is_one(name: str) -> None:
    for found in SETTING.findall((ROOT / name).read_text(encoding="utf-8")):
        assert found.removeprefix("STANDIN_").lower() in Settings.model_fields, f"{name}: {found}"


def test_the_architecture_names_every_module_and_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in ("model", "service"):
        files = [path for path in (ROOT / room).glob("*.py") if not path.name.startswith("__")]
        folders = [path.parent for path in (ROOT / room).glob("*/__init__.py")]
        for path in (*files, *folders):
            found = f"`{path.relative_to(ROOT)}{'/' * path.is_dir()}`"
            assert found in text, f"docs/architecture.md leaves out {found}"


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in listed.splitlines()} >= {"serve", "test", "check", "lock"}
