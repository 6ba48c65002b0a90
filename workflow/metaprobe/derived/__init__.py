"""Data sets that are some of the images of another: which, and what is cached of them. No picture is opened."""
