"""What can be done to records: each operation takes contents and gives contents."""
