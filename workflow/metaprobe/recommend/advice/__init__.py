"""Which backbone and which recipe for new pictures, found at a price: beliefs, steps, judgement."""
