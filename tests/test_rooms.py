"""Who may import whom, what the collector may not do to the plant, what no file may contain."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "plant": set(),
    "analytics": {"plant"},
    "store": {"plant"},
    "collector": {"store", "analytics", "plant"},
    "api": {"store", "analytics", "plant"},
    "simulators": {"plant"},
    "potline": {"plant", "analytics", "store", "collector", "api", "simulators"},
}
CACHES = {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "__pycache__"}
NOT_OURS = CACHES | {".git", ".venv", "node_modules", "dist"}
BUILT = {Path("api/static"), Path("deploy/secrets"), Path("var"), Path("data")}
WRITES_TO_OPC_UA = re.compile(
    r"(write_(value|values|params|attribute\w*)|set_(value|values|attribute\w*|data_value|writable)"
    r"|call_method|delete_nodes?|add_(node|object|variable|method)\w*|history_update"
    r"|(Write|Call|HistoryUpdate|AddNodes|DeleteNodes)(Request|Parameters)|WriteValue)"
)


def python_files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def imports(module: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Line and first name of every import, those inside functions too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, package if node.level else (node.module or "").partition(".")[0]


def our_text_files() -> Iterator[tuple[Path, str]]:
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if name not in NOT_OURS and here / name not in BUILT]
        for name in names:
            try:
                yield here / name, (ROOT / here / name).read_text()
            except UnicodeDecodeError:  # a picture
                continue


def asked(*command: str) -> str:
    """What this machine's own package client answers, "" without that client."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    others = set(MAY_IMPORT) - MAY_IMPORT[room] - {room}
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in python_files(room)
        for line, name in imports(tree(file), room)
        if name in others or name == "tests"
    ]
    assert not wrong


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_lies_in_this_repository(room: str) -> None:
    found = importlib.import_module(room).__file__
    assert found is not None
    assert Path(found).resolve().is_relative_to(ROOT)


def test_every_imported_distribution_is_required() -> None:
    """What a user's installation lacks would only be missed where development tools brought it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    brought_by = importlib.metadata.packages_distributions()
    unknown = {
        f"{file.relative_to(ROOT)}:{line} imports {name}, of none of the dependencies"
        for room in MAY_IMPORT
        for file in python_files(room)
        for line, name in imports(tree(file), room)
        if name not in MAY_IMPORT and name not in sys.stdlib_module_names
        if not {canonicalize_name(d) for d in brought_by.get(name, [])} & required
    }
    assert not unknown


def test_no_code_path_writes_to_the_plant() -> None:
    """Read-only by construction: outside the simulator nothing names a writing service."""
    writes = [
        f"{file.relative_to(ROOT)}:{node.lineno} {name}"
        for room in MAY_IMPORT
        if room != "simulators"
        for file in python_files(room)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute | ast.Name)
        for name in [node.attr if isinstance(node, ast.Attribute) else node.id]
        if WRITES_TO_OPC_UA.fullmatch(name)
    ]
    assert not writes


def test_only_output_and_the_voice_of_a_sparkplug_host_publish() -> None:
    """What they say, and where: tests/collector/output and tests/collector/sparkplug hold it."""
    publishing = {
        str(file.relative_to(ROOT))
        for room in MAY_IMPORT
        if room != "simulators"
        for file in python_files(room)
        if any(name in ("paho", "collector") for _, name in imports(tree(file), room))
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr == "publish"
        if not (isinstance(node.value, ast.Attribute) and node.value.attr == "live")
    }
    assert publishing == {"collector/output/publisher.py", "collector/sparkplug/speech.py"}


def test_no_file_names_this_machine_or_a_registry() -> None:
    answers = [
        asked("pip", "config", "get", "global.index-url"),
        asked("npm", "config", "get", "registry"),
        asked("go", "env", "GOPROXY"),
    ]
    hosts = {host for answer in answers for host in re.findall(r"://([^/,:@\s]+)", answer)}
    places = {f"{ROOT}/", f"{Path.home()}/"} - {"//"}
    named = [
        f"{file} names {text}"
        for file, content in our_text_files()
        for text in hosts | places
        if text in content
    ]
    assert not named


def test_no_lock_records_download_addresses() -> None:
    recorded = re.compile(r'"resolved"\s*:|--(extra-)?index-url|--find-links')
    locks = [
        (file, content)
        for file, content in our_text_files()
        if file.name == "package-lock.json" or re.fullmatch(r"requirements.*\.txt", file.name)
    ]
    assert locks
    assert not [str(file) for file, content in locks if recorded.search(content)]
