"""DataKits: versioned pipelines, and deployments that run as DAGs."""
