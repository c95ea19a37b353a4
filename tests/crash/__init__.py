"""The crash lane: seeded histories of gateways that are killed at durable points, judged by the vendors' ledgers."""
