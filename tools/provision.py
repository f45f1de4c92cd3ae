"""Brings the real servers that the tests talk to onto this machine, each once.

Mosquitto, Chromium and a CJK font come from Debian's packages when this is Debian and we are root;
InfluxDB 2 is built from its Go module (tools/influxd pins it) into the user's cache; the peers
under tests/peers come from npm and Maven. What cannot be had is named with its remedy; under
CI=true that is an error. `python tools/provision.py telegraf` builds Telegraf (tools/telegraf pins
it), which only benchmarks need.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INFLUXD_MODULE = "github.com/influxdata/influxdb/v2"
INFLUXD_TAGS = "sqlite_foreign_keys,sqlite_json"
TELEGRAF_MODULE = "github.com/influxdata/telegraf"
TELEGRAF_TAGS = (
    "custom,inputs.opcua_listener,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.json_v2,"
    "serializers.influx"
)
SYSTEM_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"


def cache() -> Path:
    """The user's cache folder for potline."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "potline"


def pinned(folder: str, module: str) -> str:
    """The version of a Go module that tools/<folder>/go.mod pins."""
    text = (ROOT / "tools" / folder / "go.mod").read_text()
    found = re.search(rf"{re.escape(module)} v(\S+)", text)
    assert found, f"tools/{folder}/go.mod does not name {module}"
    return found[1]


def influxd_version() -> str:
    return pinned("influxd", INFLUXD_MODULE)


def influxd_program() -> Path:
    return cache() / "bin" / f"influxd-{influxd_version()}"


def telegraf_program() -> Path:
    return cache() / "bin" / f"telegraf-{pinned('telegraf', TELEGRAF_MODULE)}"


def say(what: str, text: str) -> None:
    print(f"{what:<9}{text}", flush=True)


def installed(program: str) -> bool:
    return shutil.which(program, path=SYSTEM_PATH) is not None


def font_for_chinese() -> bool:
    return any(Path("/usr/share/fonts").rglob("NotoSansCJK*"))


def wanted_from_debian() -> dict[str, str]:
    """Debian package -> what lacks without it."""
    wanted = {}
    if not installed("mosquitto"):
        wanted["mosquitto"] = "tests over a real MQTT broker"
    if not (installed("chromium") or installed("google-chrome")):
        wanted["chromium"] = "tests of the page in a browser"
    if not font_for_chinese():
        wanted["fonts-noto-cjk"] = "Chinese text in screenshots"
    for program, package in {"java": "default-jdk-headless", "mvn": "maven"}.items():
        if not installed(program):
            wanted[package] = "tests against Eclipse Milo's OPC UA server"
    if not influxd_program().exists():
        for program in ("clang", "pkg-config", "make"):
            if not installed(program):
                wanted[program] = "building InfluxDB for the tests"
    return wanted


def from_debian() -> Iterator[str]:
    """Installs what is wanted; yields what is still missing."""
    wanted = wanted_from_debian()
    if not wanted:
        return
    if installed("apt-get") and os.geteuid() == 0:
        say("debian", f"installing {', '.join(wanted)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted]
        run(["apt-get", "update", "-qq"], environment, timeout_s=300)
        run(install, environment, timeout_s=900)
    for package, lack in wanted_from_debian().items():
        yield f"{package} (without it: no {lack}); as root: apt-get install {package}"


def run(
    command: list[str], environment: Mapping[str, str], timeout_s: float, folder: Path = ROOT
) -> bool:
    """Runs quietly; shows the end of the output of what failed. -> whether it worked"""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        say("failed", f"{' '.join(command)}: not done after {timeout_s:.0f} s")
        return False
    if done.returncode:
        say("failed", f"{' '.join(command)}: status {done.returncode}")
        print("\n".join(done.stdout.splitlines()[-15:]), flush=True)
    return done.returncode == 0


def answers(program: Path) -> bool:
    return program.exists() and run([str(program), "version"], os.environ, timeout_s=20)


def rust_environment() -> dict[str, str]:
    """Flux pins a Rust toolchain of its own by a file; rustup is told to use the installed one."""
    rustup = shutil.which("rustup")
    if rustup is None:
        return {}
    # rustup looks below HOME; when HOME is another one, its toolchains lie beside its program.
    beside = Path(rustup).resolve().parents[2] / ".rustup"
    known = "RUSTUP_HOME" in os.environ or not beside.exists()
    home = {} if known else {"RUSTUP_HOME": str(beside)}
    listed = subprocess.run(
        [rustup, "toolchain", "list"], env={**os.environ, **home}, capture_output=True, text=True
    ).stdout.splitlines()
    chosen = [line.split()[0] for line in listed if "default" in line or "active" in line]
    return home | ({"RUSTUP_TOOLCHAIN": chosen[0]} if chosen else {})


def influxd() -> Iterator[str]:
    """Builds influxd unless the cached one answers; yields what is missing."""
    if os.environ.get("POTLINE_TEST_INFLUX_URL"):
        say("influxdb", "the tests use the one at POTLINE_TEST_INFLUX_URL")
        return
    program = influxd_program()
    if answers(program):
        return
    lacking = [p for p in ("go", "cargo", "clang", "pkg-config") if not installed(p)]
    remedy = "or point POTLINE_TEST_INFLUX_URL and POTLINE_TEST_INFLUX_TOKEN at a running one"
    if lacking:
        yield f"influxd {influxd_version()}: install {', '.join(lacking)} to build it, {remedy}"
        return
    say("influxdb", f"building influxd {influxd_version()}, once on this machine; about 10 minutes")
    program.parent.mkdir(parents=True, exist_ok=True)
    source = ROOT / "tools/influxd"
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        finder, built = Path(scratch) / "pkg-config", Path(scratch) / "influxd"
        environment = {
            **os.environ,
            **rust_environment(),
            "GOFLAGS": "-mod=readonly -modcacherw",
            "PKG_CONFIG": str(finder),
        }
        build = ["go", "build", "-trimpath", "-o"]
        ready = run(
            [*build, str(finder), "github.com/influxdata/pkg-config"], environment, 300, source
        ) and run(
            [*build, str(built), "-tags", INFLUXD_TAGS, f"{INFLUXD_MODULE}/cmd/influxd"],
            environment,
            2400,
            source,
        )
        if ready:
            built.replace(program)
    if not answers(program):
        yield f"influxd {influxd_version()}: the build failed (above); mend it, {remedy}"


def telegraf() -> Iterator[str]:
    """Builds Telegraf unless the cached one answers; yields what is missing."""
    program = telegraf_program()
    if answers(program):
        return
    if not installed("go"):
        yield "telegraf: install go to build it"
        return
    say("telegraf", f"building {program.name}, once on this machine; about 2 minutes")
    program.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -modcacherw"}
    build = ["go", "build", "-trimpath", "-tags", TELEGRAF_TAGS, "-o", str(program)]
    run([*build, f"{TELEGRAF_MODULE}/cmd/telegraf"], environment, 1800, ROOT / "tools/telegraf")
    if not answers(program):
        yield f"{program.name}: the build failed (above)"


def peers() -> Iterator[str]:
    """Installs the npm packages of each peer by its lock; yields what is missing."""
    for lock in sorted((ROOT / "tests/peers").glob("*/package-lock.json")):
        mark = lock.parent / "node_modules/.package-lock.json"
        if mark.exists() and mark.stat().st_mtime >= lock.stat().st_mtime:
            continue
        say("npm", f"installing the packages of tests/peers/{lock.parent.name}")
        npm = [str(ROOT / "tools/npm"), "--prefix", str(lock.parent), "ci", "--loglevel=error"]
        if run(npm, os.environ, timeout_s=600):
            mark.touch()
        else:
            yield f"tests/peers/{lock.parent.name}: npm ci failed (above)"


def milo() -> Iterator[str]:
    """Builds the OPC UA server of tests/peers/milo into the cache; yields what is missing."""
    folder, built = ROOT / "tests/peers/milo", cache() / "milo"
    mark = built / "built"
    sources = (folder / "pom.xml", folder / "src/main/java/Peer.java")
    if mark.exists() and all(mark.stat().st_mtime >= s.stat().st_mtime for s in sources):
        return
    lacking = [program for program in ("java", "mvn") if not installed(program)]
    if lacking:
        yield f"tests/peers/milo: install {', '.join(lacking)} (Java 17 and Maven) to build it"
        return
    say("milo", "building the server of tests/peers/milo, once on this machine")
    maven = ["mvn", "-q", "-B", "package", f"-Dpeer.build={built}"]
    if run(maven, os.environ, 600, folder):
        mark.touch()
    else:
        yield "tests/peers/milo: the build failed (above)"


def main() -> int:
    wanted = (
        [telegraf()]
        if sys.argv[1:] == ["telegraf"]
        else [from_debian(), influxd(), peers(), milo()]
    )
    missing = [line for lines in wanted for line in lines]
    for line in missing:
        say("missing", line)
    if missing and os.environ.get("CI") == "true":
        return 1
    say("servers", "what needs the missing is skipped" if missing else "all here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
