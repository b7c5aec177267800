"""The regime in which the network learns: late stages of the backbone and an embedding layer, on cached views of images."""
