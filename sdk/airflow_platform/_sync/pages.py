# Written by scripts/unasync from the file of this name in _async; change that one.
"""Pages of lists, and the way from one to the next."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import PrivateAttr

from airflow_platform.models.base import PageFields

if TYPE_CHECKING:
    from airflow_platform._sync.session import Session

T = TypeVar("T")


class Origin(NamedTuple):
    """Where an answer came from, for models that ask again."""

    session: "Session"
    path: str
    params: dict[str, Any]


class Page(PageFields[T], Generic[T]):
    """Part of a list.

    The items that were fetched are found under the collection's name. Iterating goes on to all that follow,
    page after page, or to as many as ``limit`` asked for; ``len()`` is how many these are in all.
    """

    _origin: Origin = PrivateAttr()

    def model_post_init(self, context: Origin) -> None:
        """Remember what was asked."""
        self._origin = context

    def __iter__(self) -> Iterator[T]:  # type: ignore[override, unused-ignore]  # in _sync
        page: Page[T] | None = self
        while page is not None:
            for item in page.items:
                yield item
            page = page.next_page()

    def __len__(self) -> int:
        params = self._origin.params
        left = self.total_entries - (params.get("offset") or 0)
        limit = params.get("limit")
        return max(len(self.items), left if limit is None else min(left, limit))

    def next_page(self) -> "Page[T] | None":
        """What follows, or None after the last page."""
        fetched = len(self.items)
        # A platform that promises more than it has must not be asked for ever.
        if not fetched or fetched >= len(self):
            return None
        session, path, params = self._origin
        params = params | {"offset": (params.get("offset") or 0) + fetched}
        if params.get("limit") is not None:
            params["limit"] -= fetched
        return session.fetch(type(self), "GET", path, params=params)
