"""Files read and written safely: in any Unicode encoding, whole or not at all, by one writer."""
