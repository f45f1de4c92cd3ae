"""Studies over a longer time: baselines, savings, campaigns, what-if, recorded traces."""
