"""Fast inference: fused kernels, bfloat16, what this machine does best."""
