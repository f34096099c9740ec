"""The page of `tarvitpose web`: a video in, the same video with poses out."""
