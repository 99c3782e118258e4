"""The audit log: what happened, in one chain that shows when it was tampered with."""
