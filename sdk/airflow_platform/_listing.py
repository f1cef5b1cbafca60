"""What the asynchronous client's lists return."""

from collections.abc import AsyncIterator, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_platform._async.pages import AsyncPage

T = TypeVar("T")
PageT_co = TypeVar("PageT_co", covariant=True)


class AsyncListing(Coroutine[Any, Any, PageT_co]):
    """A list that was requested. Await it for the first page, or iterate over the items of all pages.

    It is a coroutine, so that ``asyncio.create_task`` and ``asyncio.gather`` take it.
    """

    def __init__(self, first_page: Coroutine[Any, Any, PageT_co]) -> None:
        self._first_page = first_page

    def __await__(self) -> Generator[Any, Any, PageT_co]:
        return self._first_page.__await__()

    async def __aiter__(self: "AsyncListing[AsyncPage[T]]") -> AsyncIterator[T]:
        async for item in await self._first_page:
            yield item

    def send(self, value: Any) -> Any:  # noqa: ANN401 - the signature of Coroutine
        """Resume the request, as ``Coroutine.send`` does.

        Args:
            value: Value to send into the coroutine.
        """
        return self._first_page.send(value)

    def throw(
        self,
        kind: Any,  # noqa: ANN401 - the signature of Coroutine
        value: Any = None,  # noqa: ANN401
        traceback: TracebackType | None = None,
    ) -> Any:  # noqa: ANN401
        """Raise an exception inside the request, as ``Coroutine.throw`` does.

        Args:
            kind: Exception, or its class.
            value: Exception or its arguments, if ``kind`` is a class.
            traceback: Traceback to set on the exception.
        """
        if value is None and traceback is None:
            return self._first_page.throw(kind)
        return self._first_page.throw(kind, value, traceback)

    def close(self) -> None:
        """Drop the request, as ``Coroutine.close`` does."""
        self._first_page.close()
