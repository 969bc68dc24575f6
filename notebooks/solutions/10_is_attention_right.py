# %% n10-40
my_area = (0.5 * (0.9 + 0.1) + 6 * 0.1) / 7

# %% n10-40 wrong
my_area = np.mean([0.9] + [0.1] * 7)

# %% n10-40 wrong
my_area = 0.5 * (0.9 + 0.1) + 6 * 0.1

# %% n10-43
my_probability = 2 / 7

# %% n10-43 wrong
my_probability = 1 / 7

# %% n10-43 wrong
my_probability = 0

# %% n10-46
def my_insertion(probabilities, order):
    hidden, curve = 127, [probabilities[127]]
    for step in order:
        hidden -= 2**step
        curve.append(probabilities[hidden])
    return curve

# %% n10-46 wrong
def my_insertion(probabilities, order):
    hidden, curve = 0, [probabilities[0]]
    for step in order:
        hidden += 2**step
        curve.append(probabilities[hidden])
    return curve

# %% n10-46 wrong
def my_insertion(probabilities, order):
    return [probabilities[127 - 2**step] for step in order]
