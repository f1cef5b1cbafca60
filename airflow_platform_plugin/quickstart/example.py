"""The API reference's example: its tenant, kit and query."""

from pathlib import Path
from typing import Any

import airflow_platform_plugin

TENANT: dict[str, Any] = {
    "tenant_id": "analytics-team",
    "display_name": "Analytics Team",
    "namespace": "analytics",
    "resource_limits": {"cpu": "4000m", "memory": "16Gi", "storage": "100Gi"},
    "features": {"datakits": True, "custom_operators": True, "external_connections": True},
    "admin_users": ["alice@example.com", "bob@example.com"],
    "metadata": {"cost_center": "CC-123", "department": "Analytics", "environment": "production"},
}
QUERY = (
    "SELECT customer_segment, COUNT(*) as customer_count, AVG(lifetime_value) as avg_ltv "
    "FROM gold.dim_customer WHERE is_active = true GROUP BY customer_segment ORDER BY avg_ltv DESC"
)
MANIFEST = Path(airflow_platform_plugin.__file__).parent / "demo" / "datakit.yaml"
