"""Numbers about an ansatz: what its parameters, its state space and its algebra are worth."""
