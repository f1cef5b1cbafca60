"""DataKits: a registry of versioned pipelines."""
