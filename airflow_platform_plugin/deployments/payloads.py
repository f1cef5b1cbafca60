"""The payloads of the events of deployments."""

from pydantic import AwareDatetime, BaseModel, ConfigDict


class RolledBack(BaseModel):
    """The payload of ``datakit.rolled_back``.

    Attributes:
        from_revision: the number of the revision before.
        from_version: the DataKit's version in that revision.
        revision: the number of the new revision.
        version: its version of the DataKit.
        automatic: whether the worker rolled back because runs failed.
        reason: the reason that the user gave, or the worker's; None if there is no reason.
        at: when, as RFC 3339.
    """

    model_config = ConfigDict(extra="forbid")

    deployment_id: str
    datakit: str
    environment: str
    namespace: str
    dag_id: str
    from_revision: int
    from_version: str
    revision: int
    version: str
    automatic: bool
    reason: str | None
    at: AwareDatetime
