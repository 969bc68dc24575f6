# %% n03-31
my_rate = 5 / 4

# %% n03-31 wrong
my_rate = 4 / 5

# %% n03-31 wrong
my_rate = 1.5

# %% n03-33
my_hertz = round(3000 * 2 ** (-3.5 / 12))

# %% n03-33 wrong
my_hertz = round(3000 * (1 - 3.5 / 12))

# %% n03-33 wrong
my_hertz = 3000

# %% n03-41
def my_mix(a, b, r):
    return np.log(r**2 * np.exp(a) + (1 - r) ** 2 * np.exp(b))

# %% n03-41 wrong
def my_mix(a, b, r):
    return r * a + (1 - r) * b

# %% n03-41 wrong
def my_mix(a, b, r):
    return np.log(r * np.exp(a) + (1 - r) * np.exp(b))
