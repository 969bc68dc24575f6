# %% n07-31
my_clips = 0.9 * 0.1 / 0.02**2

# %% n07-31 wrong
my_clips = 400

# %% n07-31 wrong
my_clips = 0.9 * 0.1 / 0.02

# %% n07-31 wrong
my_clips = 304

# %% n07-34
my_holm = [3 * 0.01, 2 * 0.03, 2 * 0.03]  # the last one: at least as large as the one before

# %% n07-34 wrong
my_holm = [0.03, 0.06, 0.04]

# %% n07-34 wrong
my_holm = [0.03, 0.09, 0.12]

# %% n07-41
def my_error(correct, source):
    right, clips = np.bincount(source, weights=correct), np.bincount(source)
    rest = right - correct.mean() * clips
    return np.sqrt(len(clips) / (len(clips) - 1) * np.sum(rest**2)) / len(correct)

# %% n07-41 wrong
def my_error(correct, source):
    return correct.std() / np.sqrt(len(correct))

# %% n07-41 wrong
def my_error(correct, source):
    return metrics.accuracy_interval(correct, source)[1:]

# %% n07-41 wrong
def my_error(correct, source):
    shares = [correct[source == recording].mean() for recording in np.unique(source)]
    return np.std(shares) / np.sqrt(len(shares))

# %% n07-41 wrong
def my_error(correct, source):
    return correct.std()
