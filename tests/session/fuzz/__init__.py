"""Sessions as strangers could make them: mutations of the schema, the cells, the bytes and the side files."""
