"""What every plane has in common: its stack, its clients, its pages, its errors, its logs."""
