"""Training more of the network than its head, from activations that are cached where it is cut."""
