# %% n10-40
my_area = (0.5 * (0.9 + 0.1) + 6 * 0.1) / 7

# %% n10-40 wrong
my_area = np.mean([0.9] + [0.1] * 7)

# %% n10-40 wrong
my_area = 0.5 * (0.9 + 0.1) + 6 * 0.1

# %% n10-43
my_chance = 2 / 7

# %% n10-43 wrong
my_chance = 1 / 7

# %% n10-43 wrong
my_chance = 0

# %% n10-46
def my_insertion(chances, order):
    hidden, curve = 127, [chances[127]]
    for step in order:
        hidden -= 2**step
        curve.append(chances[hidden])
    return curve

# %% n10-46 wrong
def my_insertion(chances, order):
    hidden, curve = 0, [chances[0]]
    for step in order:
        hidden += 2**step
        curve.append(chances[hidden])
    return curve

# %% n10-46 wrong
def my_insertion(chances, order):
    return [chances[127 - 2**step] for step in order]
