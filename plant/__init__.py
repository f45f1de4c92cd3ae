"""What the plant is: lines, cells, meters, boilers, tags, units, factors."""
