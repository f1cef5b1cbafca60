"""Names: DNS labels, namespaces, and the tags by which DAGs belong to tenants."""

import unicodedata
from collections.abc import Iterable

# RFC 1123's label, as Kubernetes uses it for names: safe in DAG ids, URLs and namespaces alike.
DNS_LABEL_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

# The namespace of deployments that belong to no tenant.
DEFAULT_NAMESPACE = "default"


TENANT_TAG_PREFIX = "tenant:"
LONGEST_TENANT_TAG = len(TENANT_TAG_PREFIX) + 63  # characters


def tenant_tag(tenant_id: str) -> str:
    """Return the tag by which a DAG belongs to a tenant."""
    return f"{TENANT_TAG_PREFIX}{tenant_id}"


def tenant_of(tags: Iterable[str]) -> str | None:
    """Return the tenant of a DAG with those tags; None without a tag of a tenant, or with several."""
    owners = [tag for tag in tags if tag.startswith(TENANT_TAG_PREFIX) and len(tag) <= LONGEST_TENANT_TAG]
    return owners[0].removeprefix(TENANT_TAG_PREFIX) if len(owners) == 1 else None


def looks_like_tenant_tag(tag: str) -> bool:
    """Return whether a tag is one by which a DAG belongs to a tenant, or one that MySQL takes for it.

    MySQL's collations ignore case, accents, the width of letters and invisible characters.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", tag) if "!" <= letter <= "~")
    return plain.casefold().startswith(TENANT_TAG_PREFIX)
