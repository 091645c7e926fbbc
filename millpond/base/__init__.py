"""What every room uses: settings, the error that a person sees, child processes, containers."""
