"""The networks: the ACRNN beside the paper's table, and the baselines that came before it.

acrnn is the paper's network and nothing else, baselines are four other systems, summary counts
layers, parameters and receptive fields. Notebooks: 04_the_model_layer_by_layer,
05_attention_from_scratch, 11_six_systems
"""
