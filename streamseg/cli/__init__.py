"""The command ``streamseg``: one file per subcommand."""
