"""The schema's history. Run by ``models.migrate``."""
