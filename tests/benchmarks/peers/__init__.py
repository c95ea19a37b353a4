"""Whom the gateway is measured beside: each with its own installation, its start, and its request."""
