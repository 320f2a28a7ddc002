"""What is handed on of a batch: the page of pictures and charts, the claims, tables. Rows come in, text goes out; no database."""
