"""Names: DNS labels, namespaces, the tags by which DAGs belong to tenants, and the roles of tenants."""

import re
import unicodedata
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

# RFC 1123's label, as Kubernetes uses it for names: safe in DAG ids, URLs and namespaces alike.
DNS_LABEL_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

# The namespace of deployments that belong to no tenant.
DEFAULT_NAMESPACE = "default"


TENANT_TAG_PREFIX = "tenant:"
LONGEST_TENANT_TAG = len(TENANT_TAG_PREFIX) + 63  # characters


def tenant_tag(tenant_id: str) -> str:
    """Return the tag by which a DAG belongs to a tenant."""
    return f"{TENANT_TAG_PREFIX}{tenant_id}"


def tenant_pool_name(tenant_id: str) -> str:
    """Return the name of the Airflow pool of a tenant. With an empty id it is the prefix of all of them."""
    return f"tenant-{tenant_id}"


def tenant_of(tags: Iterable[str]) -> str | None:
    """Return the tenant of a DAG with those tags; None without a tag of a tenant, or with several."""
    owners = [tag for tag in tags if tag.startswith(TENANT_TAG_PREFIX)]
    if len(owners) != 1 or len(owners[0]) > LONGEST_TENANT_TAG:
        return None
    return owners[0].removeprefix(TENANT_TAG_PREFIX)


def looks_like_tenant_tag(tag: str) -> bool:
    """Return whether a tag is one by which a DAG belongs to a tenant, or one that MySQL takes for it.

    MySQL's collations ignore case, accents, the width of letters and invisible characters.
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", tag) if "!" <= letter <= "~")
    return plain.casefold().startswith(TENANT_TAG_PREFIX)


class TenantRole(str, Enum):
    """What a user is in a tenant."""

    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class TenantRoleName(NamedTuple):
    """What the name of an Airflow role says: its users have this role in this tenant."""

    tenant_id: str
    role: TenantRole


_ROLE_NAME = re.compile(rf"Tenant ({DNS_LABEL_PATTERN}) (Admin|Member|Viewer)")


def tenant_role_name(tenant_id: str, role: TenantRole) -> str:
    """Return the name of the Airflow role that makes a user a member of the tenant, in that role.

    The Airflow role is a label and holds no permissions; ``shared_role_name`` names the role that does.
    """
    return f"Tenant {tenant_id} {role.value.title()}"


def parse_tenant_role_name(name: str) -> TenantRoleName | None:
    """Return the tenant and the role that the name of an Airflow role says; None for another role."""
    found = _ROLE_NAME.fullmatch(name)
    return None if found is None else TenantRoleName(found[1], TenantRole(found[3].lower()))


def shared_role_name(role: TenantRole) -> str:
    """Return the name of the Airflow role that holds what that role may do, in every tenant."""
    return f"Tenant {role.value.title()}"
