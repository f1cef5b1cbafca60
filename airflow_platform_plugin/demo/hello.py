"""The DataKit ``hello``: the smallest kit there is. It greets and writes nothing, to try an installation."""

import json
import os


def main() -> int:
    """Run once; the exit status is the process's."""
    configuration = json.loads(os.environ["DATAKIT_CONFIGURATION"])
    print(f"Hello, {configuration.get('name', 'Airflow')}!")
    return 0
