"""From frames to poses: engines that run the network, windows of crops, and the estimator."""
