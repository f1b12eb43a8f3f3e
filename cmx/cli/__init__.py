"""The command line: one module a verb. Only this package prints, reads argv, or turns an error into an exit code."""
