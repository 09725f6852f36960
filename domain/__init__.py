"""Pure rules of recurring billing: no I/O, no clock, no randomness, no logging."""
