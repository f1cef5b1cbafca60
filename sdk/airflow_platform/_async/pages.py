"""Pages of lists, and the way from one to the next."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import PrivateAttr

from airflow_platform.models.base import PageFields

if TYPE_CHECKING:
    from airflow_platform._async.session import AsyncSession

T = TypeVar("T")


class AsyncOrigin(NamedTuple):
    """Where an answer came from, for models that ask again."""

    session: "AsyncSession"
    path: str
    params: dict[str, Any]


class AsyncPage(PageFields[T], Generic[T]):
    """Part of a list.

    The items that were fetched are found under the collection's name. Iterating goes on to all that follow,
    page after page, or to as many as ``limit`` asked for; ``len()`` is how many these are in all.
    """

    _origin: AsyncOrigin = PrivateAttr()

    def model_post_init(self, context: AsyncOrigin) -> None:
        """Remember what was asked."""
        self._origin = context

    async def __aiter__(self) -> AsyncIterator[T]:  # type: ignore[override, unused-ignore]  # in _sync
        page: AsyncPage[T] | None = self
        while page is not None:
            for item in page.items:
                yield item
            page = await page.next_page()

    def __len__(self) -> int:
        params = self._origin.params
        left = self.total_entries - (params.get("offset") or 0)
        limit = params.get("limit")
        return max(len(self.items), left if limit is None else min(left, limit))

    async def next_page(self) -> "AsyncPage[T] | None":
        """What follows, or None after the last page."""
        fetched = len(self.items)
        # A platform that promises more than it has must not be asked for ever.
        if not fetched or fetched >= len(self):
            return None
        session, path, params = self._origin
        params = params | {"offset": (params.get("offset") or 0) + fetched}
        if params.get("limit") is not None:
            params["limit"] -= fetched
        return await session.fetch(type(self), "GET", path, params=params)
