"""A model against what people labelled: clips of single people here, whole data sets beside."""
