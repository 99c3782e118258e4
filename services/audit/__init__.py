"""The subscriber that records what happened, who asked for it and when, in a chain that shows tampering."""
