"""Types for running a command."""

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    """The exit status and the output of a command."""

    status: int | str | None
    out: str
    err: str


Run = Callable[..., Result]
