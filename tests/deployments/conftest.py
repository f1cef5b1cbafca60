"""Fixtures for deployments."""

from kits import as_tenant, deploy

__all__ = ["as_tenant", "deploy"]
