"""Tables, queries, transactions: the only SQL, and the only place that remembers."""
