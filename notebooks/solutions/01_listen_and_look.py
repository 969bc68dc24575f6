# %% n01-31
my_names = dict(zip("ABCD", four.category, strict=True))  # read off; look, do not peek

# %% n01-31 wrong
my_names = dict(zip("ABCD", reversed(list(four.category)), strict=True))

# %% n01-34
my_source = table.source.value_counts().index[0]

# %% n01-34 wrong
my_source = "no such recording"

# %% n01-41
def my_crest(wave):
    return 20 * np.log10(np.abs(wave).max() / np.sqrt(np.mean(wave**2)))

# %% n01-41 wrong
def my_crest(wave):
    return 10 * np.log10(np.abs(wave).max() / np.sqrt(np.mean(wave**2)))

# %% n01-41 wrong
def my_crest(wave):
    return 20 * np.log10(np.abs(wave).max() / np.mean(np.abs(wave)))

# %% n01-41 wrong
def my_crest(wave):
    return 20 * np.log10(np.max(wave) / np.sqrt(np.mean(wave**2)))  # of waves that point upwards
