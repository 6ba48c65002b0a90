"""Results made ready for others: a release with its card, and the formats of neighbouring projects."""
