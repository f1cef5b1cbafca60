"""What names look like."""

# RFC 1123's label, as Kubernetes uses it for names: safe in DAG ids, URLs and namespaces alike.
DNS_LABEL_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def tenant_tag(tenant_id: str) -> str:
    """The tag by which a DAG belongs to a tenant."""
    return f"tenant:{tenant_id}"
