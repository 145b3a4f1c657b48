"""Fixtures of the integration tests. README.md in this folder says what they are and what they need."""
