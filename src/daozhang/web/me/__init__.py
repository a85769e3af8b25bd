"""Pages about oneself beside the front page of them: messages, limits, a copy of one's data, the unused money back, the way out."""
