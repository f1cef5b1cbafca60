"""The DataKit ``hello``, to try an installation: it prints a greeting and writes nothing."""

import json
import os


def main() -> int:
    """Run once; return the exit status of the process."""
    configuration = json.loads(os.environ["DATAKIT_CONFIGURATION"])
    print(f"Hello, {configuration.get('name', 'Airflow')}!")
    return 0
