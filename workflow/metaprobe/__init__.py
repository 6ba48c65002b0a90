"""metaprobe: image data sets in, the table a meta-learner is trained on out."""
