"""The stack without containers: private servers on this machine, each tied to the process that started it."""
