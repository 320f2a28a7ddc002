"""The job database: the only home of SQL. It must not know manifests, vendors, files or the run loop."""
