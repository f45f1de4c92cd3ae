"""Passwords: from a file or the environment, never from the plant file, never into a log."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

_told: set[Path] = set()


def password(options: Mapping[str, Any]) -> str:
    """The password a source's options point to, "" when to none. OSError when it is not there."""
    if file := options.get("password_file"):
        path = Path(file)
        warn_if_open(path)
        try:
            return path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:  # its text would quote the password
            raise OSError(f"{path} (password_file) is not UTF-8 text") from None
    if name := options.get("password_env"):
        if name not in os.environ:
            raise OSError(f"environment variable {name} (password_env) is not set")
        return os.environ[name]
    return ""


def warn_if_open(file: Path) -> None:
    """Tell once of a secret that every user of the machine can read."""
    if file not in _told and file.stat().st_mode & stat.S_IROTH:
        _told.add(file)
        log.warning(f"every user of this machine can read a secret: chmod o-r {file}")
