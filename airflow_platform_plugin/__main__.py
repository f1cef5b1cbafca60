"""``airflow-platform``: commands for the operator, on a machine where Airflow is installed."""

import argparse
import json
import logging
import sys

from airflow_platform_plugin import __version__
from airflow_platform_plugin.core.feature import features, resolve


def main() -> None:
    """Run one command; exit with 2 for a wrong call, with 1 for a failure."""
    arguments = _parser().parse_args()
    # Airflow logs to standard output, where scripts expect the command's output and nothing else.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.exit(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-platform", description="Operate the Airflow platform plugin."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    database = commands.add_parser("db", help="manage the platform's tables").add_subparsers(required=True)
    upgrade = database.add_parser("upgrade", help="create or upgrade the tables")
    upgrade.set_defaults(run=_db_upgrade)
    downgrade = database.add_parser("downgrade", help="downgrade the tables to an earlier revision")
    downgrade.add_argument(
        "--to-revision", required=True, help="the revision; 'base' drops all tables and their data"
    )
    downgrade.add_argument("--yes", "-y", action="store_true", help="do not ask for confirmation")
    downgrade.set_defaults(run=_db_downgrade)
    check = database.add_parser("check", help="exit with 0 if the tables are up to date, else with 1")
    check.set_defaults(run=_db_check)

    worker = commands.add_parser("worker", help="run the platform's worker")
    worker.add_argument("--once", action="store_true", help="run each step once and exit")
    worker.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    worker.add_argument("--database", help=argparse.SUPPRESS)
    worker.set_defaults(run=_worker)

    rotate = commands.add_parser(
        "rotate-fernet-key", help="re-encrypt the platform's secrets with the first key of [core] fernet_key"
    )
    rotate.set_defaults(run=_rotate_fernet_key)

    doctor = commands.add_parser("doctor", help="run health checks; exits with 1 if one fails")
    doctor.add_argument("--output", choices=["text", "json"], default="text")
    doctor.set_defaults(run=_doctor)

    for feature in features():
        if feature.commands is not None:
            resolve(feature.commands)(commands)

    quickstart = commands.add_parser(
        "quickstart", help="start Airflow with the platform and a demo on this machine"
    )
    quickstart.add_argument(
        "--home", default=".quickstart", help="the folder for its files (default: %(default)s)"
    )
    quickstart.add_argument("--dags", metavar="DIR", help="the DAGs folder (default: a folder in --home)")
    quickstart.add_argument("--exit", action="store_true", help="stop as soon as everything has worked once")
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
    """Ask for confirmation; without a terminal the answer is no."""
    print(warning, file=sys.stderr)
    if not sys.stdin.isatty():
        print("Nothing was changed. To confirm without a terminal, pass --yes.", file=sys.stderr)
        return False
    print("Continue? (y/N) ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _db_check(_: argparse.Namespace) -> int:
    from airflow_platform_plugin.core import db

    if db.is_current():
        print(f"The platform's tables are up to date, at {db.head()}.")
        return 0
    print(
        "The platform's tables are missing or of another version: airflow-platform db upgrade",
        file=sys.stderr,
    )
    return 1


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
