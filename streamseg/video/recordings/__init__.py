"""MCAP files and ROS bags as sources: topics, decoding of messages, frames with stamps."""
