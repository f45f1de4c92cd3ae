"""What the plant is: lines, cells, meters, boilers, tags, units, factors. Imports nothing of ours."""
