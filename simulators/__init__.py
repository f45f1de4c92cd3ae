"""A plant to test against, over the real protocols, with known truth and faults on demand."""
