"""PostgreSQL and Valkey from wheels, kept in the state folder: what `jeonggi up` runs without any set-up."""
