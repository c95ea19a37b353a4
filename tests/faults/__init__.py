"""The fault lane: whole lists while the vendor, the database, the clock or a whole process fails; ledgers are the oracle."""
