"""What runs inside a sandbox: scripts that import nothing of groupthink, which is not there."""
