"""What was found in a video, and why, as pictures."""
