"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import EventType, Feature, Lane, WorkerStep

_RUN, _TASK = "runs.payloads:DagRunChanged", "runs.payloads:TaskInstanceChanged"

FEATURE = Feature(
    name="runs",
    tag="runs",
    models=("runs.models",),
    events=(
        EventType("dag.running", "A DAG run has started.", _RUN),
        EventType("dag.success", "A DAG run has ended in success, or was marked so.", _RUN),
        EventType("dag.failure", "A DAG run has failed, or was marked so.", _RUN),
        EventType("task.success", "A task instance has ended in success, or was marked so.", _TASK),
        EventType("task.failure", "A task instance has failed for good, or was marked so.", _TASK),
        EventType("task.retry", "A try of a task instance has failed, and another will follow.", _TASK),
        EventType("task.skipped", "A task instance was skipped.", _TASK),
        EventType(
            "task.upstream_failed", "A task instance will not run because one before it failed.", _TASK
        ),
    ),
    worker_steps=(WorkerStep("sweep", lane=Lane.EVENTS, run="runs.sweep:sweep"),),
)
