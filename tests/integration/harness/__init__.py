"""What the integration tests stand on. Knows the operator only as a program with flags."""
