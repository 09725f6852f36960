"""What is due now: opens periods, finds work, rings doorbells."""
