"""Hidden Markov models: forward-backward with its sums, fused with emissions; the best path."""
