# %% n04-50
one = 3 * 256 * (768 + 256) + 2 * 3 * 256  # l9, one direction: weights, then two biases per gate
two = 3 * 256 * (512 + 256) + 2 * 3 * 256  # l10
my_count = 2 * one + 2 * two

# %% n04-50 wrong
my_count = 3 * 256 * (768 + 256) + 2 * 3 * 256

# %% n04-50 wrong
my_count = 3_810_000

# %% n04-53
my_seconds = (40 * 512 + 1024) / 44100

# %% n04-53 wrong
my_seconds = 86 * 512 / 44100

# %% n04-61
def my_width(layers):
    width = step = 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step *= stride
    return width

# %% n04-61 wrong
def my_width(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)

# %% n04-61 wrong
def my_width(layers):
    return sum(kernel for kernel, _ in layers)

# %% n04-61 wrong
def my_width(layers):
    width = step = 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step = stride
    return width

# %% n04-61 wrong
def my_width(layers):
    width = step = 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step = max(step, stride)
    return width
