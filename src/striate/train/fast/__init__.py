"""Fast inference: fused kernels, bfloat16, and the measured speed of this machine."""
