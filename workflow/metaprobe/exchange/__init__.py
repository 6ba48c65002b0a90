"""Results that travel: runs merged into one, bundles to hand in, two runs against each other."""
