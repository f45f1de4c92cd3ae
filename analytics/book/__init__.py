"""Once a local day: figures of the last 30 days, from closing figures and slow values."""
