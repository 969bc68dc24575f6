# %% n11-29
my_colour = frontend.rgb(torch.tensor(0.5)).tolist()

# %% n11-29 wrong
my_colour = [0.5, 0.5, 1.0]

# %% n11-29 wrong
my_colour = [1, 0, 0]

# %% n11-32
tilt = torch.linspace(-1, 1, 128, dtype=torch.float64)[:, None]
my_coefficient = int(frontend.mfcc(tilt, 20)[:, 0].abs().argmax())

# %% n11-32 wrong
my_coefficient = 0

# %% n11-32 wrong
my_coefficient = 7

# %% n11-32 wrong
my_coefficient = 128

# %% n11-35
my_setting = "optimizer"

# %% n11-35 wrong
my_setting = "learning_rate"

# %% n11-35 wrong
my_setting = "batch_size"

# %% n11-40
def my_score(frames, weights, means, variances):
    apart = (frames - means[:, None]) ** 2 / variances[:, None]  # (k, n, d)
    bells = -0.5 * (apart + np.log(2 * np.pi * variances[:, None])).sum(-1)
    return np.logaddexp.reduce(bells + np.log(weights)[:, None]).mean()

# %% n11-40 wrong
def my_score(frames, weights, means, variances):  # no weights
    apart = (frames - means[:, None]) ** 2 / variances[:, None]
    bells = -0.5 * (apart + np.log(2 * np.pi * variances[:, None])).sum(-1)
    return np.logaddexp.reduce(bells).mean()

# %% n11-40 wrong
def my_score(frames, weights, means, variances):  # the mean before the logarithm
    apart = (frames - means[:, None]) ** 2 / variances[:, None]
    bells = -0.5 * (apart + np.log(2 * np.pi * variances[:, None])).sum(-1)
    return np.log((weights[:, None] * np.exp(bells)).sum(0).mean())

# %% n11-40 wrong
def my_score(frames, weights, means, variances):  # a sum over frames
    apart = (frames - means[:, None]) ** 2 / variances[:, None]
    bells = -0.5 * (apart + np.log(2 * np.pi * variances[:, None])).sum(-1)
    return np.logaddexp.reduce(bells + np.log(weights)[:, None]).sum()

# %% n11-40 wrong
def my_score(frames, weights, means, variances):  # underflows far away
    apart = (frames - means[:, None]) ** 2 / variances[:, None]
    bells = -0.5 * (apart + np.log(2 * np.pi * variances[:, None])).sum(-1)
    with np.errstate(divide="ignore"):
        return np.log((weights[:, None] * np.exp(bells)).sum(0)).mean()
