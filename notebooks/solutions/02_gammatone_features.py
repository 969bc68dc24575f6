# %% n02-32
my_seconds = (127 * 512 + 1024) / 44100

# %% n02-32 wrong
my_seconds = 128 * 1024 / 44100

# %% n02-32 wrong
my_seconds = 128 * 512 / 44100

# %% n02-35
my_frequency = (200 - 24.7) * 9.26449

# %% n02-35 wrong
my_frequency = 200

# %% n02-41
def my_delta(static):
    padded = np.pad(static, ((0, 0), (1, 1)), "edge")
    return (padded[:, 2:] - padded[:, :-2]) / 2

# %% n02-41 wrong
def my_delta(static):
    padded = np.pad(static, ((0, 0), (1, 1)), "edge")
    return padded[:, 2:] - padded[:, :-2]

# %% n02-41 wrong
def my_delta(static):
    padded = np.pad(static, ((0, 0), (1, 1)))
    return (padded[:, 2:] - padded[:, :-2]) / 2

# %% n02-41 wrong
def my_delta(static):
    return np.diff(static)
