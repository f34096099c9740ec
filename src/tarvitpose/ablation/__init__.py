"""The rows of one of the paper's tables, trained and scored alike."""
