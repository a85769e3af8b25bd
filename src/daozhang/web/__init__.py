"""Whoever comes through a browser: pages, forms, and the rules every answer keeps."""
