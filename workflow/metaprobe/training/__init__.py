"""Heads trained on cached features, what they say of the images, and the fragment of an experiment."""
