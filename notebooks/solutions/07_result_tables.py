# %% n07-31
my_low = 100 * metrics.wilson(45, 50)[0]

# %% n07-31 wrong
my_low = metrics.wilson(45, 50)[0]

# %% n07-31 wrong
my_low = 100 * metrics.wilson(45, 50)[1]

# %% n07-31 wrong
my_low = 90

# %% n07-34
my_holm = [3 * 0.01, 2 * 0.03, 2 * 0.03]  # the last one: at least as large as the one before

# %% n07-34 wrong
my_holm = [0.03, 0.06, 0.04]

# %% n07-34 wrong
my_holm = [0.03, 0.09, 0.12]

# %% n07-41
def my_interval(correct, source):
    rng, recordings = np.random.default_rng(1), np.unique(source)
    answers = [correct[source == recording] for recording in recordings]
    shares = []
    for _ in range(2000):
        drawn = rng.integers(0, len(recordings), len(recordings))
        shares.append(np.concatenate([answers[k] for k in drawn]).mean())
    return tuple(np.percentile(shares, [2.5, 97.5]))

# %% n07-41 wrong
def my_interval(correct, source):
    rng = np.random.default_rng(1)
    shares = [rng.choice(correct, len(correct)).mean() for _ in range(2000)]
    return tuple(np.percentile(shares, [2.5, 97.5]))

# %% n07-41 wrong
def my_interval(correct, source):
    return 0.9, 0.1

# %% n07-41 wrong
def my_interval(correct, source):
    rng = np.random.default_rng(1)
    shares = np.array([correct[source == recording].mean() for recording in np.unique(source)])
    drawn = rng.integers(0, len(shares), (2000, len(shares)))
    return tuple(np.percentile(shares[drawn].mean(axis=1), [2.5, 97.5]))
