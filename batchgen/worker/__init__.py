"""Move jobs: submit, poll, download, record. The only home of ``async`` beside the API client; it knows ports, no vendor and no SQL."""
