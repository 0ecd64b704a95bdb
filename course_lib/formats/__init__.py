"""Other people's files: diffusers folders, OpenAI's CLIP."""
