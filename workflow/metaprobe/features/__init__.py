"""The frozen backbones: built, given weights, run once over each subset."""
