"""What running a command is."""

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    """What a command leaves behind."""

    status: int | str | None
    out: str
    err: str


Run = Callable[..., Result]
