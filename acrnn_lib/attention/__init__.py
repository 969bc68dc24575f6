"""Attention: which frames a step stands for, whether they matter, and what they sound like.

maps places attention on the time axis, explain compares it with known events, occlusion and
gradients, audible plays what is attended to. Notebooks: 09_seeing_attention,
10_is_attention_right
"""
