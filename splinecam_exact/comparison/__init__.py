"""Another tool's partition against the exact one: see `compare`."""
