"""What a person types: thin commands over the use cases in billing, readable or as JSON."""
