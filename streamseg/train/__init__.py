"""Learning a network from pictures with instance masks (extra ``train``)."""
