"""Import: published weights in, a checkpoint of this project out, without running code from the file."""
