"""What the models have in common."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

T = TypeVar("T")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _timedelta(value: Any) -> Any:  # noqa: ANN401 - before validation
    if isinstance(value, dict):
        return timedelta(value["days"], value["seconds"], value["microseconds"])
    return value


Moment = Annotated[datetime, AfterValidator(_aware)]
"""A point in time, never without its zone."""

Duration = Annotated[timedelta, BeforeValidator(_timedelta)]
"""A span of time, which Airflow writes as ``{"__type": "TimeDelta", "days": …}``."""


class Model(BaseModel):
    """A resource of the platform; fields that the SDK does not know yet are attributes as well."""

    # An error that quoted its input would tell a key's secret.
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _defaults_for_null(cls, data: Any) -> Any:  # noqa: ANN401 - before validation
        # A null list or object would have every caller check for it before looping over it.
        if not isinstance(data, dict):
            return data
        return {
            name: value for name, value in data.items() if value is not None or name not in cls.model_fields
        }


class PageFields(Model, Generic[T]):
    """Part of a list, as the platform answers it; the clients' own pages also find the rest."""

    collection: ClassVar[str]
    total_entries: int = 0

    @model_validator(mode="after")
    def _count(self) -> "PageFields[T]":
        if "total_entries" not in self.model_fields_set:
            self.total_entries = len(self.items)
        return self

    @property
    def items(self) -> list[T]:
        """The items that were fetched."""
        items: list[T] = getattr(self, self.collection)
        return items

    def __getitem__(self, index: int) -> T:
        """Return one of the items that were fetched.

        Raises:
            IndexError: the item is not among them.
        """
        try:
            return self.items[index]
        except IndexError:
            message = (
                f"The page holds {len(self.items)} items of {self.total_entries}; iterate to reach the others"
            )
            raise IndexError(message) from None

    def __iter__(self) -> Any:  # noqa: ANN401 - the synchronous client's pages say of what
        # Pydantic's own would yield fields, and pages of the asynchronous client need to wait for the next.
        raise TypeError("Pages of the asynchronous client are iterated with 'async for'")
