"""How fast the network and the whole pipeline are on this machine."""
