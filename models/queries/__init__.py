"""The SQL, by noun. Every function takes the open transaction and commits nothing."""
