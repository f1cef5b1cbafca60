"""Schemas of members over HTTP."""

from marshmallow import fields

from airflow_platform_plugin.core.naming import TenantRole
from airflow_platform_plugin.http.fields import LONGEST_SEARCH, Choice, Text
from airflow_platform_plugin.http.schemas import InputSchema, PageQuery, ResponseSchema, order_by
from airflow_platform_plugin.tenants.members.inputs import MemberFilter, Source

_ROLES = [role.value for role in TenantRole]


class MemberInput(InputSchema):
    """The role of a user in a tenant."""

    role = Choice(_ROLES, required=True)


class MemberQuery(PageQuery):
    """Which members to list."""

    into = MemberFilter

    role = Choice(_ROLES)
    search = Text(least=1, most=LONGEST_SEARCH)
    order_by = order_by("username")


class MemberResponse(ResponseSchema):
    """A user who belongs to a tenant."""

    username = fields.String()
    role = fields.Enum(TenantRole, by_value=True)
    source = fields.Enum(Source, by_value=True)
    editable = fields.Boolean()


class GroupRoleResponse(ResponseSchema):
    """A group of the identity provider, and the role that its users get in the tenant at each login."""

    group = fields.String()
    role = fields.Enum(TenantRole, by_value=True)


class MemberList(ResponseSchema):
    """A page of members, and the groups that give roles in the tenant at each login."""

    members = fields.List(fields.Nested(MemberResponse), attribute="items")
    groups = fields.List(fields.Nested(GroupRoleResponse))
    total_entries = fields.Integer()
