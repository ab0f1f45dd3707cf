"""The conformance suite: any partition tool, asked about networks whose partition is known exactly."""
