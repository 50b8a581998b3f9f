"""Tasks beyond ground states: a loss on data in place of an energy, pruned by the same rules."""
