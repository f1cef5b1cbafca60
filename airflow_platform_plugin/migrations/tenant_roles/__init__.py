"""What the migrations 0017 and 0018 share. It never changes, as they do not."""
