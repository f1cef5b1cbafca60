"""Fields of API keys and tenants alike."""

from marshmallow import ValidationError

from airflow_platform_plugin.core import rate_limits
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.http.fields import Choice, Line, Mapping


class RateLimits(Mapping):
    """Rate limits by class of request: ``{"read": "5000/minute"}``; ``rate_limits.parse`` reads them."""

    def __init__(self, **options: Option) -> None:
        known = [each.value for each in rate_limits.LIMITED]
        super().__init__(
            keys=Choice(known),
            values=Line(most=rate_limits.LONGEST_TEXT, validate=_check_rate_limit),
            most=len(known),
            **options,
        )


def _check_rate_limit(text: str) -> None:
    try:
        rate_limits.parse(text)
    except ValueError as error:
        raise ValidationError(f"Is not a limit such as 100/minute: {error}") from error
