"""What is to be preprocessed: the files of a source, and the videos that they make up."""
