"""The network: each file is one box of the paper's Figure 2. Nothing here knows about data."""
