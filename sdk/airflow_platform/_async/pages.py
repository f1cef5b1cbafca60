"""Pages of lists."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import PrivateAttr

from airflow_platform.models.base import PageFields

if TYPE_CHECKING:
    from airflow_platform._async.session import AsyncSession

T = TypeVar("T")


class AsyncRequestContext(NamedTuple):
    """The request that fetched a model, for models that send further requests."""

    session: "AsyncSession"
    path: str
    params: dict[str, Any]


class AsyncPage(PageFields[T], Generic[T]):
    """One page of a list.

    The page's items are in the attribute that has the collection's name, such as ``dags``, and in ``items``.
    Iteration fetches further pages, up to ``limit`` items if the request had a limit. ``len()`` is the number
    of items that iteration yields.

    Attributes:
        total_entries: Number of items on the platform, whatever limit and offset.

    Example:
        page = await client.dags.list(tags=["production"])
        print(page.total_entries, page.items)
        async for dag in page:
            print(dag.dag_id)
    """

    _context: AsyncRequestContext = PrivateAttr()

    def model_post_init(self, context: AsyncRequestContext) -> None:
        """Remember the request, for the next page."""
        self._context = context

    async def __aiter__(self) -> AsyncIterator[T]:  # type: ignore[override, unused-ignore]  # in _sync
        page: AsyncPage[T] | None = self
        while page is not None:
            for item in page.items:
                yield item
            page = await page.next_page()

    def __len__(self) -> int:
        params = self._context.params
        left = self.total_entries - (params.get("offset") or 0)
        limit = params.get("limit")
        return max(len(self.items), left if limit is None else min(left, limit))

    async def next_page(self) -> "AsyncPage[T] | None":
        """Fetch the next page.

        Returns:
            The next page, or None after the last one.
        """
        fetched = len(self.items)
        # An empty page ends the list, even if total_entries promises more.
        if not fetched or fetched >= len(self):
            return None
        session, path, params = self._context
        params = params | {"offset": (params.get("offset") or 0) + fetched}
        if params.get("limit") is not None:
            params["limit"] -= fetched
        return await session.fetch(type(self), "GET", path, params=params)
