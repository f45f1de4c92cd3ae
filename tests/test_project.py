"""What a newcomer is told is true: requirements, README, CHANGELOG, the built wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()


def pinned(file: str) -> dict[str, set[Version]]:
    """Name -> versions; two where a marker chooses between them."""
    pins: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / file).read_text(), re.M):
        pins.setdefault(canonicalize_name(name), set()).add(Version(version))
    return pins


@pytest.mark.parametrize(
    "file", ["requirements.txt", "requirements-dev.txt", "requirements-node.txt"]
)
def test_every_requirement_is_pinned_with_hashes(file: str) -> None:
    logical_lines = (ROOT / file).read_text().replace("\\\n", " ").splitlines()
    row = re.compile(r"[\w.-]+==[\w.]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert not [line[:80] for line in logical_lines if not row.fullmatch(line.strip())]


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements.txt", PROJECT["dependency-groups"]["install"]),
        ("requirements-dev.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", PROJECT["dependency-groups"]["dev"]),
        ("requirements-node.txt", PROJECT["dependency-groups"]["node"]),
    ],
)
def test_the_pins_are_what_pyproject_asks_for(file: str, wanted: list[str]) -> None:
    pins = pinned(file)
    for requirement in map(Requirement, wanted):
        versions = pins.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not pinned in {file}: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_development_runs_on_the_same_pins() -> None:
    development = pinned("requirements-dev.txt")
    assert pinned("requirements.txt").items() <= development.items()


def test_readme_begins_with_the_picture_and_two_commands() -> None:
    head = README[:1500]
    assert head.index("docs/picture.png") < head.index("make demo") < head.index("make test")
    assert (ROOT / "docs/picture.png").exists(), "make picture"


def test_readme_names_the_targets_that_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)\b", README, re.M))
    assert named <= targets
    assert {"demo", "test", "check", "bench", "venv", "page", "picture"} <= named


def test_readme_tells_every_command() -> None:
    from potline.main import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = [name for name, command in commands.items() if not command.hidden]
    assert not [name for name in shown if f"`potline {name}" not in README]


def test_readme_and_other_pages_link_to_what_exists() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:\s]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_changelog_has_this_version() -> None:
    assert f"## [{PROJECT['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_wheel_holds_rooms_data_and_plants(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("potline-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    rooms = {"plant", "analytics", "store", "collector", "api", "simulators", "potline"}
    assert {f"{room}/__init__.py" for room in rooms} <= names
    assert {
        "plant/data/signals.toml",
        "potline/plants/demo.toml",
        "potline/scenarios/demo.toml",
    } <= names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == rooms
    page = {f.relative_to(ROOT).as_posix() for f in (ROOT / "api/static").rglob("*") if f.is_file()}
    assert page <= names
