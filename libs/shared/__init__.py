"""What two services use, and the contracts between them."""
