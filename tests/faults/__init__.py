"""The fault lane: whole lists while vendor, database, clock or a whole process fails. The ledgers are the oracle."""
