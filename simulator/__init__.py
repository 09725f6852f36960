"""A stand-in for I'mport (PortOne V1) with KG Inicis behind it: its ledger says what was really charged.

A stranger to the rest of the repository: it imports nothing from it and nothing imports it. The wire is declared here a
second time, from the PortOne V1 documentation, so that a misreading on one side cannot hide on the other.
"""
