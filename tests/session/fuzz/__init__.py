"""Malformed sessions: mutations of the schema, the cells, the bytes and the side files."""
