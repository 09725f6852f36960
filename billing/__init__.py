"""Use cases: the order of things, and where commits happen."""
