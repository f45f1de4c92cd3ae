"""Trust in the meters: counters, balances, reconciliation, suspects, plausibility."""
