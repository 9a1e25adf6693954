"""The stage `export`: a checkpoint in, a model that runs without this project out."""
