"""What is seen of saved pictures: thumbnails, likeness, blankness, credentials, and contact sheets of them."""
