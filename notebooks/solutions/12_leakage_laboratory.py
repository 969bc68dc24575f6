# %% n12-32
my_shared = ["s1"]

# %% n12-32 wrong
my_shared = ["s1", "s2"]

# %% n12-32 wrong
my_shared = ["s3"]

# %% n12-35
def my_split(clips):
    return leakage.stratified_group_kfold(clips.source, clips.target, 0) == 0

# %% n12-35 wrong
def my_split(clips):
    return leakage.stratified_group_kfold(clips.clip_id, clips.target, 0) == 0

# %% n12-35 wrong
def my_split(clips):
    return (clips.target < 2).to_numpy()

# %% n12-38
tosses = np.random.default_rng(1).binomial(80, 0.5, (5000, 60))
my_best = 100 * tosses.max(axis=1).mean() / 80

# %% n12-38 wrong
my_best = 50

# %% n12-38 wrong
my_best = 100
