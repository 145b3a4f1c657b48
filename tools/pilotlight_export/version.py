"""The exporter's own version, as bundles record it."""

VERSION = "0.1.0"
