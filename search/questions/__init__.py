"""Questions compared: whether two of them have the same answer. Pure; what is in doubt is a difference."""
