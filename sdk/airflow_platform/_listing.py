"""What the asynchronous client's lists return."""

from collections.abc import AsyncIterator, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_platform._async.pages import AsyncPage

T = TypeVar("T")
PageT_co = TypeVar("PageT_co", covariant=True)


class AsyncListing(Coroutine[Any, Any, PageT_co]):
    """A list that is asked for: awaited, it is the first page; iterated, it is the items of all pages."""

    def __init__(self, first: Coroutine[Any, Any, PageT_co]) -> None:
        self._first = first

    def __await__(self) -> Generator[Any, Any, PageT_co]:
        return self._first.__await__()

    async def __aiter__(self: "AsyncListing[AsyncPage[T]]") -> AsyncIterator[T]:
        async for item in await self._first:
            yield item

    def send(self, value: Any) -> Any:  # noqa: ANN401 - a coroutine's
        """As of any coroutine; ``asyncio.create_task`` wants one."""
        return self._first.send(value)

    def throw(
        self,
        kind: Any,  # noqa: ANN401 - a coroutine's
        value: Any = None,  # noqa: ANN401
        traceback: TracebackType | None = None,
    ) -> Any:  # noqa: ANN401
        """As of any coroutine."""
        if value is None and traceback is None:
            return self._first.throw(kind)
        return self._first.throw(kind, value, traceback)

    def close(self) -> None:
        """As of any coroutine."""
        self._first.close()
