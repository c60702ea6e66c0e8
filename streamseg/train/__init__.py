"""Train a network on images with instance masks (extra ``train``)."""
