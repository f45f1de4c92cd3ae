"""`potline chaos`: a seeded storm of faults against a plant file of the user's own."""
