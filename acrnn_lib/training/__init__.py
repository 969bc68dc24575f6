"""Training: one visible loop over epochs and batches, and what makes it repeatable.

loop trains a fold; batches gives its data, optim the optimizer and learning rate, testing predicts
the held-out fold, checkpoints and identity keep runs apart, crossval runs all folds, parallel many
at once, cuda a step as one launch. Notebooks: 06_training_on_a_gpu, 07_result_tables
"""
