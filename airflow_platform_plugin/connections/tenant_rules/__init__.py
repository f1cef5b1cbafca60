"""What a tenant's connection may be, and where it may lead.

The rules apply when a connection is written, and again when it is used. ``reachability`` applies them all:

* ``connection_types``: the allow-list of types, and of fields of extra for each type.
* ``host_fields``: the hosts that a connection names, in any of its fields.
* ``allowed_hosts``: the hosts that tenants may name, and those that no tenant may reach.
* ``airflow_services``: Airflow's own database, broker and cluster, which no tenant may reach.
* ``linked_connections``: other connections that extra names.
* ``destinations``: where a connection leads now: its hosts' addresses, checked and pinned.
* ``addresses``: IP addresses and names of hosts.

Connections that are shared by all tenants have no rules: only platform admins write them.
"""
