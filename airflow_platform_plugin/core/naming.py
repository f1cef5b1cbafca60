"""What names look like."""

import unicodedata

# RFC 1123's label, as Kubernetes uses it for names: safe in DAG ids, URLs and namespaces alike.
DNS_LABEL_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

# Where the platform's own deployments are: no tenant's.
DEFAULT_NAMESPACE = "default"


def tenant_tag(tenant_id: str) -> str:
    """The tag by which a DAG belongs to a tenant."""
    return f"tenant:{tenant_id}"


def looks_like_tenant_tag(tag: str) -> bool:
    """Whether a tag is, or may be taken for, one by which a DAG belongs to a tenant.

    MySQL's collations take capitals, accents, wide letters and characters without a glyph for nothing.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", tag) if "!" <= letter <= "~")
    return plain.casefold().startswith(tenant_tag(""))
