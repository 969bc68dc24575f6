# %% n11-29
my_colour = features.rgb(torch.tensor(0.5)).tolist()

# %% n11-29 wrong
my_colour = [0.5, 0.5, 1.0]

# %% n11-29 wrong
my_colour = [1, 0, 0]

# %% n11-32
tilt = torch.linspace(-1, 1, 128, dtype=torch.float64)[:, None]
my_coefficient = int(features.mfcc(tilt, 20)[:, 0].abs().argmax())

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
