"""The collector's disk: full, not writable, and not to be trusted.

As root, where mounting is allowed, it is a file system of its own in memory, which can be as small
as one likes. Elsewhere full means a limit on the size of the files that the collector may write,
and not writable means permissions.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path

_LEFT_FULL = 16_384  # bytes that a full disk still has
_FILE_LIMIT = 1 << 16
_SEGMENTS = 3
_BEGINNING = 48  # bytes of a segment that lie together for certain


class Disk:
    """mounted: it is a file system of its own. Unmounted by `close`."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        folder.mkdir(parents=True)
        self.mounted = os.geteuid() == 0 and self._mount(
            "-t", "tmpfs", "-o", f"size={size}", "storm"
        )

    @property
    def manner(self) -> str:
        return "tmpfs made small" if self.mounted else "limit on file sizes (RLIMIT_FSIZE)"

    def fill(self, collector: int) -> None:
        """No room any more, for the process with this id."""
        if self.mounted:
            self._mount("-o", f"remount,size={shutil.disk_usage(self.folder).used + _LEFT_FULL}")
        else:
            _limit(collector, _FILE_LIMIT)

    def free(self, collector: int) -> None:
        if self.mounted:
            self._mount("-o", f"remount,size={self._size}")
        else:
            _limit(collector, resource.RLIM_INFINITY)

    def protect(self, on: bool) -> None:
        """Nothing of it can be changed any more; while nothing has a file of it open."""
        if self.mounted:
            self._mount("-o", "remount,ro" if on else "remount,rw")
            return
        for path in (self.folder, *self.folder.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode & ~0o222 if on else mode | 0o200)

    @property
    def can_be_read_only(self) -> bool:
        """Permissions mean nothing to root."""
        return self.mounted or os.geteuid() != 0

    def damage(self, name: str, luck: random.Random) -> int:
        """Turn a bit in some of the segments of samples that a spool holds. -> in how many"""
        file = self.folder / name
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as db:
            db.execute("PRAGMA wal_checkpoint").fetchall()  # into the file itself
            found = db.execute("SELECT blob FROM blobs WHERE kind = 'samples'").fetchall()
        blobs = [blob for (blob,) in luck.sample(found, min(len(found), _SEGMENTS))]
        damaged = 0
        with file.open("r+b") as target, mmap.mmap(target.fileno(), 0) as held:
            for blob in blobs:
                at = held.find(blob[:_BEGINNING])
                if at >= 0:
                    held[at + luck.randrange(_BEGINNING)] ^= 1 << luck.randrange(8)
                    damaged += 1
        return damaged

    def copy_to(self, folder: Path) -> None:
        """What it holds, for who looks at it when it is gone."""
        shutil.copytree(self.folder, folder)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", self.folder], check=False, capture_output=True)
            self.mounted = False

    def _mount(self, *options: str) -> bool:
        done = subprocess.run(
            ["mount", *options, str(self.folder)], check=False, capture_output=True
        )
        return done.returncode == 0


def _limit(pid: int, size: int) -> None:
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
