"""Images in an object storage: uploaded without ever replacing one, confirmed by the storage, read back. The one home of obstore."""
