"""Deployments: DataKits as DAGs in an environment, with revisions, rollbacks and notifications."""
