"""Exact linear heads on the frozen features of pretrained backbones."""
