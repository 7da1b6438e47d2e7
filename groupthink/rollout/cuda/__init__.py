"""Decoding on a GPU: paged keys and values, Triton kernels between the matrix products, steps replayed as graphs."""
