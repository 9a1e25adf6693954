"""This process and its peers: groups, locks, signals, children, memory."""
