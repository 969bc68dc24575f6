# %% n09-34
p = np.array([0.4] + [0.1] * 6)
my_n = np.exp(-np.sum(p * np.log(p)))

# %% n09-34 wrong
my_n = -np.sum(np.array([0.4] + [0.1] * 6) * np.log([0.4] + [0.1] * 6))

# %% n09-34 wrong
my_n = 2

# %% n09-37
my_share = 6 / 7

# %% n09-37 wrong
my_share = 0.8

# %% n09-51
def my_auc(weights, inside):
    above = weights[inside][:, None] - weights[~inside]
    return np.mean((above > 0) + 0.5 * (above == 0))

# %% n09-51 wrong
def my_auc(weights, inside):
    return np.mean(weights[inside][:, None] > weights[~inside])

# %% n09-51 wrong
def my_auc(weights, inside):
    return weights[inside].sum() / weights.sum()
