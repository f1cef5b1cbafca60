"""DataKits."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._async.deployments import AsyncDeployments
from airflow_platform._async.pages import AsyncPage
from airflow_platform._http import build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import DataKit
from airflow_platform.types import ConfigurationOption, Dataset, Json, Requirements


class AsyncDataKitPage(AsyncPage[DataKit]):
    """One page of DataKits."""

    collection: ClassVar = "datakits"
    datakits: list[DataKit]


class AsyncDataKits(AsyncDeployments):
    """DataKits and their deployments, as ``client.datakits``.

    Each method that takes a ``datakit_id`` takes an id, ``name@version``, or a name, which means the newest
    version that is not withdrawn.
    """

    async def register(
        self,
        name: str,
        version: str,
        image: str,
        *,
        type: str | None = None,  # noqa: A002 - the manifest's name
        description: str | None = None,
        inputs: Sequence[Dataset] | None = None,
        outputs: Sequence[Dataset] | None = None,
        configuration: Mapping[str, ConfigurationOption] | None = None,
        requirements: Requirements | None = None,
        tags: Sequence[str] | None = None,
        **more: Json,
    ) -> DataKit:
        """Register a version of a DataKit. Registering the same manifest again changes nothing.

        Args:
            name: Name of the DataKit: at most 63 lower-case letters, digits and hyphens.
            version: Semantic version, such as ``1.2.0``.
            image: OCI image with a tag or a digest, such as ``registry.example/kits/sales:1.2.0``.
            type: ``transformation`` (the default), ``ingestion`` or ``export``.
            description: Description for people.
            inputs: Data that the kit reads, such as ``[{"name": "orders", "schema": "bronze"}]``.
            outputs: Data that the kit writes, in the same form.
            configuration: Options of the kit, by name, such as
                ``{"batch_size": {"type": "integer", "default": 1000}}``.
            requirements: Resources that one run needs, such as ``{"cpu": "2000m", "memory": "4Gi"}``.
            tags: Tags to find the kit by.
            more: Further fields of the manifest, such as ``tenant_id``, the owning tenant.

        Raises:
            ConflictError: The version exists with another manifest, or somebody else owns the name.
            PermissionDeniedError: You may not register DataKits, or not with this name or image.
            ValidationError: The manifest is invalid.

        Example:
            kit = await client.datakits.register("sales", "1.0.0", "registry.example/kits/sales:1.0.0")
        """
        manifest = {
            "name": name,
            "version": version,
            "image": image,
            "type": type,
            "description": description,
            "inputs": inputs,
            "outputs": outputs,
            "configuration": configuration,
            "requirements": requirements,
            "tags": tags,
            **more,
        }
        return await self._session.fetch(DataKit, "POST", build_path("datakits"), json=manifest)

    def list(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the manifest's name
        tags: Sequence[str] | None = None,
        search: str | None = None,
        tenant_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncDataKitPage]:
        """List versions of DataKits.

        Args:
            type: Only kits of this type: ``transformation``, ``ingestion`` or ``export``.
            tags: Only kits with all of these tags.
            search: Only kits with this text in the name or description.
            tenant_id: Only kits of this tenant.
            limit: Maximum number of versions over all pages; by default all.
            offset: Number of versions to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the versions of all pages.
        """
        params = {
            "type": type,
            "tags": tags,
            "search": search,
            "tenant_id": tenant_id,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncDataKitPage, build_path("datakits"), params)

    async def get(self, datakit_id: str) -> DataKit:
        """Return a version of a DataKit.

        Args:
            datakit_id: Id, ``name@version``, or name (its newest version).

        Raises:
            ResourceNotFoundError: The kit does not exist, or belongs to another tenant.
        """
        return await self._session.fetch(DataKit, "GET", build_path("datakits", datakit_id))

    def versions(
        self, datakit_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncDataKitPage]:
        """List all versions of a DataKit, the newest first.

        Args:
            datakit_id: Id, ``name@version`` or name.
            limit: Maximum number of versions over all pages; by default all.
            offset: Number of versions to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the versions of all pages.

        Raises:
            ResourceNotFoundError: The kit does not exist, or belongs to another tenant.
        """
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncDataKitPage, build_path("datakits", datakit_id, "versions"), params)

    async def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of a manifest."""
        schema: dict[str, Any] = (await self._session.request("GET", build_path("datakits", "schema"))).json()
        return schema

    async def withdraw(
        self, datakit_id: str, reason: str | None = None, *, withdrawn: bool = True
    ) -> DataKit:
        """Withdraw a version, so that it can no longer be deployed. Its deployments keep running.

        Args:
            datakit_id: Id, ``name@version``, or name (its newest version).
            reason: Reason, shown with the version.
            withdrawn: Whether the version is withdrawn; false makes it available again. By default true.

        Raises:
            PermissionDeniedError: You may not change this kit.
            ResourceNotFoundError: The kit does not exist, or belongs to another tenant.
        """
        body = {"withdrawn": withdrawn, "reason": reason}
        return await self._session.fetch(DataKit, "PATCH", build_path("datakits", datakit_id), json=body)

    async def delete(self, datakit_id: str) -> None:
        """Delete a version of a DataKit that no deployment uses.

        Args:
            datakit_id: Id, ``name@version``, or name (its newest version).

        Raises:
            ConflictError: The version is deployed. ``details["deployments"]`` of the error has the ids.
            PermissionDeniedError: You may not delete this kit.
            ResourceNotFoundError: The kit does not exist, or belongs to another tenant.
        """
        await self._session.request("DELETE", build_path("datakits", datakit_id))
