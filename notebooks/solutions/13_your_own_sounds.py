# %% n13-24
my_least = 1 / 10

# %% n13-24 wrong
my_least = 0

# %% n13-24 wrong
my_least = 0.5

# %% n13-27
surest = tested.filter(regex=r"^p_\d+$").max(axis=1)
my_shares = [(surest >= 0.7).mean(), tested.correct[surest >= 0.7].mean()]

# %% n13-27 wrong
surest = tested.filter(regex=r"^p_\d+$").max(axis=1)
my_shares = [(surest >= 0.7).mean(), ((surest >= 0.7) & tested.correct).mean()]

# %% n13-27 wrong
surest = tested.filter(regex=r"^p_\d+$").max(axis=1)
my_shares = [tested.correct[surest >= 0.7].mean(), (surest >= 0.7).mean()]

# %% n13-27 wrong
my_shares = [0.5, tested.correct.mean()]

# %% n13-30
def my_folds(folder_table):
    folds = pd.Series(0, index=folder_table.index)
    for _, clips in folder_table.groupby("category"):
        filled = dict.fromkeys(range(1, 6), 0)
        for source, count in clips.source.value_counts().items():
            fold = min(filled, key=filled.get)
            filled[fold] += count
            folds[clips.index[clips.source == source]] = fold
    return folds

# %% n13-30 wrong
def my_folds(folder_table):
    return np.arange(len(folder_table)) % 5 + 1

# %% n13-30 wrong
def my_folds(folder_table):
    return folder_table.groupby("category").source.transform(
        lambda s: pd.factorize(s)[0] % 5 + 1)

# %% n13-30 wrong
def my_folds(folder_table):
    return pd.factorize(folder_table.category)[0] + 1

# %% n13-39
limit = np.quantile(scored.distance[scored.protocol == "inner"], 0.9)
my_test = scored[scored.protocol == "test"]
my_alarms = [(my_test.distance[my_test.kind == kind] > limit).mean()
             for kind in ("esc10", "other-16k")]

# %% n13-39 wrong
my_test = scored[scored.protocol == "test"]
limit = np.quantile(my_test.distance[my_test.kind == "esc10"], 0.9)
my_alarms = [(my_test.distance[my_test.kind == kind] > limit).mean()
             for kind in ("esc10", "other-16k")]

# %% n13-39 wrong
limit = np.quantile(scored.distance[scored.protocol == "inner"], 0.9)
my_test = scored[scored.protocol == "test"]
my_alarms = [(my_test.distance[my_test.kind == kind] <= limit).mean()
             for kind in ("esc10", "other-16k")]

# %% n13-39 wrong
my_alarms = [0.1, 0.1]
