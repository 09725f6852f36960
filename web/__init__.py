"""HTTP in: what the gateway, and later applications and people, send us."""
