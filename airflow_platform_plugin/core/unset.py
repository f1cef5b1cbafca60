"""``UNSET``: the value of a field that was not sent, where None means something else."""

from enum import Enum, auto
from typing import Final, Literal


class Unset(Enum):
    """The class of ``UNSET``, for annotations: ``scopes: list[str] | Unset | None = UNSET``."""

    UNSET = auto()


UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET
