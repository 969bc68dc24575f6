# %% n06-42
my_steps = 4 * 80 * 3 // 32 * 20

# %% n06-42 wrong
my_steps = 5 * 80 * 3 // 32 * 20

# %% n06-42 wrong
my_steps = 4 * 80 * 3 // 32

# %% n06-45
my_rate = 0.01 / 10 / 10

# %% n06-45 wrong
my_rate = 0.001

# %% n06-51
recipe = config.experiment("acrnn-plus", "lite").train
places = np.linspace(0, 1, 101)
my_peak = places[np.argmax([optim.learning_rate(recipe, at) for at in places])]

# %% n06-51 wrong
my_peak = 0.5

# %% n06-51 wrong
my_peak = 25

# %% n06-54
def my_average(values, decay):
    average = values[0]
    for step, value in enumerate(values[1:], 1):
        share = min(decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * value
    return average

# %% n06-54 wrong
def my_average(values, decay):
    average = values[0]
    for value in values[1:]:
        average = decay * average + (1 - decay) * value
    return average

# %% n06-54 wrong
def my_average(values, decay):
    return sum(values) / len(values)

# %% n06-54 wrong
def my_average(values, decay):
    average = values[0]
    for step, value in enumerate(values[1:], 1):  # never held by decay
        share = (1 + step) / (10 + step)
        average = share * average + (1 - share) * value
    return average
