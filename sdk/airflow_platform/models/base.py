"""Base classes and types of the models."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from airflow_platform.types import Json

T = TypeVar("T")


def _assume_utc(timestamp: datetime) -> datetime:
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)


def _parse_timedelta(value: Json) -> Json:
    if isinstance(value, dict):
        return timedelta(value["days"], value["seconds"], value["microseconds"])
    return value


Timestamp = Annotated[datetime, AfterValidator(_assume_utc)]
"""A point in time, always with a time zone."""

Duration = Annotated[timedelta, BeforeValidator(_parse_timedelta)]
"""A duration, which Airflow sends as ``{"__type": "TimeDelta", "days": …}``."""


class Model(BaseModel):
    """Base class of the platform's resources. Fields that this version does not know are attributes too."""

    # Errors must not quote their input: it may contain a key's secret.
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _replace_null_by_default(cls, data: Json) -> Json:
        # With a null list or object, every caller would have to check for None before a loop over it.
        if not isinstance(data, dict):
            return data
        return {
            name: value for name, value in data.items() if value is not None or name not in cls.model_fields
        }


class PageFields(Model, Generic[T]):
    """One page of a list, as the platform answers it. The clients' own pages also fetch the others.

    Attributes:
        total_entries: Number of items on the platform, whatever limit and offset.
    """

    collection: ClassVar[str]
    total_entries: int = 0

    @model_validator(mode="after")
    def _set_total_entries(self) -> "PageFields[T]":
        if "total_entries" not in self.model_fields_set:
            self.total_entries = len(self.items)
        return self

    @property
    def items(self) -> list[T]:
        """The items of this page."""
        items: list[T] = getattr(self, self.collection)
        return items

    def __getitem__(self, index: int) -> T:
        """Return an item of this page.

        Raises:
            IndexError: The page has fewer items.
        """
        try:
            return self.items[index]
        except IndexError:
            message = (
                f"The page holds {len(self.items)} items of {self.total_entries}; iterate to reach the others"
            )
            raise IndexError(message) from None

    def __iter__(self) -> Any:  # noqa: ANN401 - the synchronous client's pages name the type
        # Pydantic's own would yield fields, and asynchronous pages must wait for the next page.
        raise TypeError("Iterate over pages of the asynchronous client with 'async for'")
