"""Passwords: from a file or the environment, never from the plant file, never into a log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def password(options: Mapping[str, Any]) -> str:
    """The password a source's options point to, "" when to none. OSError when it is not there."""
    if file := options.get("password_file"):
        return Path(file).read_text(encoding="utf-8").strip()
    if name := options.get("password_env"):
        if name not in os.environ:
            raise OSError(f"environment variable {name} (password_env) is not set")
        return os.environ[name]
    return ""
