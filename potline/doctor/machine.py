"""The machine: its clock, the disk of the store's folder, the limits of a process."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from plant.model import Plant
from potline.doctor.finding import Finding
from store.spool import RESERVE

UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""
MOST_CLOCK_ERROR_S = 0.5
SYNCS, SYNCS_S = 20, 3.0
SLOW_SYNC_S = 0.05
"""A commit waits for a few of them, and a source for its commits."""
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
PASSING = {"tmpfs", "ramfs", "overlay"}
OPEN_FILES = 1024
MEMORY = 400 << 20


class _Timex(ctypes.Structure):
    """Head of struct timex; the rest is not looked at."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def examine(plant: Plant) -> Iterator[Finding]:
    yield clock()
    yield from disk(plant)
    yield open_files()
    yield memory()


def clock() -> Finding:
    """As the kernel has it from whatever keeps the time: chrony, ntpd, systemd-timesyncd."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        why = os.strerror(ctypes.get_errno())
        return Finding("clock", "synchronised", "warn", f"the kernel does not tell: {why}",
                       "see that something keeps the time of this machine")  # fmt: skip
    error_s = timex.maxerror / 1e6
    if timex.status & UNSYNCHRONISED:
        return Finding(
            "clock",
            "synchronised",
            "warn",
            "no, as far as the kernel knows",
            "run chrony or systemd-timesyncd here (in a virtual machine or container: on the "
            "host) against the time server that the plant's controllers use",
        )
    if error_s > MOST_CLOCK_ERROR_S:
        return Finding("clock", "synchronised", "warn", f"with an error of up to {error_s:.1f} s",
                       "see that the time server can be reached: chronyc sources")  # fmt: skip
    return Finding("clock", "synchronised", "ok", f"to within {error_s * 1000:.0f} ms")


# -- disk


def disk(plant: Plant) -> Iterator[Finding]:
    wanted = Path(plant.store.path).absolute()
    folder = next(f for f in (wanted, *wanted.parents) if f.exists())
    made = "" if folder == wanted else f" ({wanted} is made at the first start)"
    yield _space(plant, folder, made)
    kind, read_only = mounted(folder)
    yield _file_system(folder, kind)
    try:
        took = sync_seconds(folder)
    except OSError as error:
        why = "the disk is read-only" if read_only else error.strerror
        yield Finding("disk", "writable", "fail", f"{folder}: {why}{made}",
                      f"let potline's user write there: chown -R potline {wanted}")  # fmt: skip
        return
    found = f"{folder}: {took * 1000:.1f} ms a synced write, the median of {SYNCS}{made}"
    if took > SLOW_SYNC_S:
        yield Finding("disk", "writable", "warn", found,
                      "put the folder on a faster disk: sources wait for these writes")  # fmt: skip
    else:
        yield Finding("disk", "writable", "ok", found)


def _space(plant: Plant, folder: Path, made: str) -> Finding:
    stat = os.statvfs(folder)
    free = stat.f_bavail * stat.f_frsize
    spool = Path(plant.store.path) / "spool.sqlite"
    used = spool.stat().st_size if spool.exists() else 0
    wanted = max(plant.spool.max_GB * 1e9 - used, 0.0)
    found = f"{folder}: {free / 1e9:.1f} GB free{made}"
    if free <= RESERVE:
        return Finding("disk", "space", "fail", found,
                       "make room: no sample is taken while the disk is full")  # fmt: skip
    if free < wanted:
        return Finding(
            "disk",
            "space",
            "warn",
            f"{found}, the spool may still grow by {wanted / 1e9:.1f} GB",
            "make room, or write a smaller [spool] max_GB",
        )
    return Finding("disk", "space", "ok", found)


def mounted(folder: Path) -> tuple[str, bool]:
    """(kind of file system, read-only) of the mount that holds a folder; ("", False) if unknown."""
    best, found = -1, ("", False)
    real = folder.resolve()
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        mount, _, system = line.partition(" - ")
        fields = mount.split()
        point = Path(fields[4].encode().decode("unicode_escape"))
        if real.is_relative_to(point) and len(point.parts) >= best:  # a later one lies on top
            options = {*fields[5].split(","), *system.split()[2].split(",")}
            best, found = len(point.parts), (system.split()[0], "ro" in options)
    return found


def _file_system(folder: Path, kind: str) -> Finding:
    if kind in REMOTE:
        return Finding(
            "disk",
            "file system",
            "fail",
            f"{folder}: {kind}, over the network",
            "put [store] path on a disk of this machine: locks and the spool's log need it",
        )
    if kind in PASSING:
        lost = "with its container" if kind == "overlay" else "when the power fails"
        return Finding("disk", "file system", "warn", f"{folder}: {kind}, which is lost {lost}",
                       "put [store] path on a disk or a volume that stays")  # fmt: skip
    return Finding("disk", "file system", "ok", f"{folder}: {kind or 'unknown'}")


def sync_seconds(folder: Path) -> float:
    """The median of some small writes with fsync, in a file without a name. OSError."""
    took: list[float] = []
    until = time.perf_counter() + SYNCS_S
    with tempfile.TemporaryFile(dir=folder) as file:
        while len(took) < SYNCS and (began := time.perf_counter()) < until:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


# -- limits


def open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        most = "unlimited" if hard == resource.RLIM_INFINITY else hard
        return Finding(
            "limits",
            "open files",
            "warn",
            f"{soft} (at most {most}); each page, source and file of the store takes some",
            f"ulimit -n {OPEN_FILES}, or LimitNOFILE=65536 in the unit of systemd",
        )
    return Finding("limits", "open files", "ok", "unlimited" if soft < 0 else str(soft))


def memory() -> Finding:
    free, by = available_bytes()
    found = f"{free >> 20} MB available{by}"
    if free < MEMORY:
        return Finding(
            "limits",
            "memory",
            "warn",
            found,
            f"a collector of a large plant takes about {MEMORY >> 20} MB: end what else runs here, "
            "or raise the limit",
        )
    return Finding("limits", "memory", "ok", found)


def available_bytes(root: Path = Path("/")) -> tuple[int, str]:
    """(what a process can still get, by which limit), of the machine and of our cgroups."""
    lines = (root / "proc/meminfo").read_text("utf-8").splitlines()
    table = dict(line.split(":") for line in lines)
    free, by = int(table["MemAvailable"].split()[0]) << 10, ""
    names = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    own = next((name.split(":", 2)[2] for name in names if name.startswith("0::")), None)
    if own is None:
        return free, by
    top = root / "sys/fs/cgroup"
    here = top / own.lstrip("/")
    for group in (here, *here.parents):
        limit, used = group / "memory.max", group / "memory.current"
        if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
            left = int(most) - int(used.read_text())
            if left < free:
                free, by = left, f" (the limit of cgroup {group})"
        if group == top:
            break
    return max(free, 0), by
