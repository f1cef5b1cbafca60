"""Fixtures for the registry of kits."""

from kits import as_tenant, deploy

__all__ = ["as_tenant", "deploy"]
