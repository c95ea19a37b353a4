"""One module for each version of the tables. A step is frozen: it uses nothing of the gateway that may change."""
