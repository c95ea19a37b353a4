"""Operations are finished even when the process that works on them is killed: the port, an engine, who is dead."""
