"""``airflow-platform``: what an operator does on the machine where Airflow runs."""

import argparse
import json
import logging
import sys

from airflow_platform_plugin import __version__


def main() -> None:
    """Run one command; a wrong call ends with status 2, a failed one with 1."""
    arguments = _parser().parse_args()
    # Airflow logs to standard output, where a script expects a command's answer and nothing else.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.exit(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="airflow-platform", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    database = commands.add_parser("db", help="the platform's tables").add_subparsers(required=True)
    upgrade = database.add_parser("upgrade", help="create or upgrade them")
    upgrade.set_defaults(run=_db_upgrade)
    downgrade = database.add_parser("downgrade", help="take them back")
    downgrade.add_argument("--to-revision", required=True, help="'base' removes them, with all data")
    downgrade.add_argument("--yes", "-y", action="store_true", help="do not ask")
    downgrade.set_defaults(run=_db_downgrade)
    check = database.add_parser("check", help="exit status 0 where they are up to date")
    check.set_defaults(run=_db_check)

    keys = commands.add_parser("api-keys", help="API keys").add_subparsers(required=True)
    create = keys.add_parser("create", help="make a key and print it, once")
    create.add_argument("--user", required=True, help="the Airflow user as whom the key acts")
    create.add_argument("--name", default="created on the command line")
    create.add_argument("--scopes", help="what it is for, as dags:read,dag_runs:write; all its user may do")
    create.add_argument("--expires-in-days", type=int, metavar="DAYS", help="never, unless given")
    create.set_defaults(run=_create_key)

    loader = commands.add_parser(
        "install-loader", help="write datakits.py, which makes DAGs of deployments, into the DAGs folder"
    )
    loader.add_argument("--dags-folder", metavar="DIR", help="Airflow's own, unless given")
    loader.add_argument("--force", action="store_true", help="replace a datakits.py with other content")
    loader.set_defaults(run=_install_loader)

    worker = commands.add_parser("worker", help="run the platform's worker")
    worker.add_argument("--once", action="store_true", help="run each step once and end")
    worker.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    worker.add_argument("--database", help=argparse.SUPPRESS)
    worker.set_defaults(run=_worker)

    rotate = commands.add_parser(
        "rotate-fernet-key", help="encrypt the platform's secrets with the first key of [core] fernet_key"
    )
    rotate.set_defaults(run=_rotate_fernet_key)

    doctor = commands.add_parser("doctor", help="see whether all is well; exit status 1 where it is not")
    doctor.add_argument("--output", choices=["text", "json"], default="text")
    doctor.set_defaults(run=_doctor)

    quickstart = commands.add_parser("quickstart", help="a whole platform on this machine, to look at")
    quickstart.add_argument("--home", default=".quickstart", help="where it keeps its files")
    quickstart.add_argument("--dags", metavar="DIR", help="the DAGs folder; one in --home, unless given")
    quickstart.add_argument("--exit", action="store_true", help="stop once everything was seen to work")
    quickstart.set_defaults(run=_quickstart)
    return parser


# Each imports what it needs: Airflow alone takes a second, and --help should not.


def _db_upgrade(_: argparse.Namespace) -> int:
    from airflow_platform_plugin.core import db

    db.upgrade()
    print(f"The platform's tables are at {db.head()}.")
    return 0


def _db_downgrade(arguments: argparse.Namespace) -> int:
    from airflow_platform_plugin.core import db

    if not arguments.yes and not _agreed(
        f"Taking the platform's tables back to {arguments.to_revision} deletes what later revisions keep, "
        "secrets of webhooks and deployments among it."
    ):
        return 1
    db.downgrade(arguments.to_revision)
    print(f"The platform's tables are at {arguments.to_revision}.")
    return 0


def _agreed(warning: str) -> bool:
    """Ask whether to go on; where nobody can answer, no."""
    print(warning, file=sys.stderr)
    if not sys.stdin.isatty():
        print("Nothing was changed: say --yes.", file=sys.stderr)
        return False
    print("Go on? (y/N) ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _db_check(_: argparse.Namespace) -> int:
    from airflow_platform_plugin.core import db

    if db.is_current():
        print(f"The platform's tables are at {db.head()}, as they should be.")
        return 0
    print(
        "The platform's tables are missing or of another version: airflow-platform db upgrade",
        file=sys.stderr,
    )
    return 1


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


def _install_loader(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from airflow_platform_plugin.deployments.execution import loader_file

    folder = arguments.dags_folder
    if folder is None:
        from airflow_platform_plugin.airflow_compat import config

        folder = config.dags_folder()
    try:
        file = loader_file.install(Path(folder), force=arguments.force)
    except (loader_file.LoaderFileDiffers, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Deployed DataKits become DAGs by {file}")
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    from airflow_platform_plugin import worker

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each delivery, with the whole URL
    if not arguments.once:
        return worker.run(arguments.parent, arguments.database)
    done = worker.run_once()
    for step, amount in done.items():
        print(f"{step}: {'failed' if amount is None else amount}")
    return 1 if None in done.values() else 0


def _rotate_fernet_key(_: argparse.Namespace) -> int:
    from airflow_platform_plugin.core import crypto
    from airflow_platform_plugin.core.feature import load_models

    load_models()
    try:
        done = crypto.rotate()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for column, read, unreadable in done:
        print(f"{column}: {read} re-encrypted" + (f", {unreadable} under no known key" if unreadable else ""))
    return 1 if any(found.unreadable for found in done) else 0


def _doctor(arguments: argparse.Namespace) -> int:
    from airflow_platform_plugin import doctor

    findings = doctor.examine()
    ok = all(finding.ok for finding in findings)
    if arguments.output == "json":
        print(json.dumps({"ok": ok, "checks": [finding._asdict() for finding in findings]}))
    else:
        for finding in findings:
            print(f"{'ok' if finding.ok else 'FAILED':<8}{finding.name}: {finding.message}")
    return 0 if ok else 1


def _quickstart(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    try:
        from airflow_platform_plugin.quickstart import run
    except ModuleNotFoundError as error:
        needed = "airflow-platform-sdk, airflow-platform-cli and airflow-platform-plugin[duckdb]"
        print(f"The quickstart needs {needed}; there is no module {error.name!r}.", file=sys.stderr)
        return 1

    home = Path(arguments.home).resolve()
    dags = None if arguments.dags is None else Path(arguments.dags).resolve()
    return run.run(home, dags, keep_running=not arguments.exit)


if __name__ == "__main__":
    main()
