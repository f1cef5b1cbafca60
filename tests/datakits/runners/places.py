"""Where the suite's kit is run, and the kit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = (Path(__file__).parent / "kit.sh").read_text(encoding="ascii")
IMAGE = "registry.localhost/kit:1.0.0"


class Place:
    """Where kits are run."""

    def __init__(self, name: str, left: Callable[[], list[Any]], **options: str) -> None:
        self.name = name
        self.left = left  # what still runs, or lies about, of kits
        self.options = options  # [platform]
