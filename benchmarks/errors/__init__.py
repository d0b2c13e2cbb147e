"""What a head loses, and what it makes up, when it reads coded images in place of the originals."""
