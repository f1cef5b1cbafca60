"""What the platform's answers look like."""

from airflow_platform.models.analytics import QueryResult
from airflow_platform.models.api_keys import ApiKey, ApiKeyPage
from airflow_platform.models.base import Page
from airflow_platform.models.dags import Dag, DagPage, DagRunFields, Tag
from airflow_platform.models.datakits import (
    DataKit,
    DataKitPage,
    Deployment,
    DeploymentPage,
    DeploymentStatus,
)
from airflow_platform.models.oauth_clients import OAuthClient, OAuthClientPage
from airflow_platform.models.tasks import Task, TaskInstance, TaskInstancePage, TaskPage
from airflow_platform.models.tenants import Tenant, TenantPage
from airflow_platform.models.webhooks import Webhook, WebhookPage

__all__ = [
    "ApiKey",
    "ApiKeyPage",
    "Dag",
    "DagPage",
    "DagRunFields",
    "DataKit",
    "DataKitPage",
    "Deployment",
    "DeploymentPage",
    "DeploymentStatus",
    "OAuthClient",
    "OAuthClientPage",
    "Page",
    "QueryResult",
    "Tag",
    "Task",
    "TaskInstance",
    "TaskInstancePage",
    "TaskPage",
    "Tenant",
    "TenantPage",
    "Webhook",
    "WebhookPage",
]
