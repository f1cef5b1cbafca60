"""The feature's commands of ``airflow-platform``. Each imports what it needs when it runs."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name


def add(commands: "Commands") -> None:
    """Add the commands of this feature."""
    keys = commands.add_parser("api-keys", help="manage API keys").add_subparsers(required=True)
    create = keys.add_parser("create", help="create a key and print it; it is never shown again")
    create.add_argument("--user", required=True, help="the Airflow user that the key acts as")
    create.add_argument("--name", default="created on the command line")
    create.add_argument(
        "--scopes", help="scopes, such as dags:read,dag_runs:write (default: all that the user may do)"
    )
    create.add_argument(
        "--expires-in-days", type=int, metavar="DAYS", help="days until the key expires (default: never)"
    )
    create.set_defaults(run=_create_key)


def _create_key(arguments: argparse.Namespace) -> int:
    from datetime import timedelta

    from airflow_platform_plugin import airflow_compat
    from airflow_platform_plugin.auth import service
    from airflow_platform_plugin.core import db
    from airflow_platform_plugin.core import scopes as all_scopes

    scopes = arguments.scopes.split(",") if arguments.scopes is not None else None
    if unknown := set(scopes or ()) - set(all_scopes.known()):
        print(
            f"Unknown scopes: {', '.join(sorted(unknown))}. Known: {', '.join(all_scopes.known())}",
            file=sys.stderr,
        )
        return 1
    days = arguments.expires_in_days
    db.upgrade()
    with db.transaction() as session:
        user_id = airflow_compat.users.user_ids(session, [arguments.user]).get(arguments.user)
        if user_id is None:
            print(f"There is no user {arguments.user!r} in this Airflow.", file=sys.stderr)
            return 1
        _, text = service.issue(
            session,
            name=arguments.name,
            user_id=user_id,
            scopes=scopes,
            expires_at=None if days is None else db.now() + timedelta(days=days),
        )
    print(text)
    return 0
