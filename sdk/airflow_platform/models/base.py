"""What the models have in common."""

from collections.abc import Iterator
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


class Page(Model, Generic[T]):
    """Part of a list: a sequence of its items, which are also found under the collection's name."""

    collection: ClassVar[str]
    total_entries: int = 0

    @model_validator(mode="after")
    def _count(self) -> "Page[T]":
        if "total_entries" not in self.model_fields_set:
            self.total_entries = len(self)
        return self

    @property
    def items(self) -> list[T]:
        """The items of this page."""
        items: list[T] = getattr(self, self.collection)
        return items

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]  # pydantic's would yield fields
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]
