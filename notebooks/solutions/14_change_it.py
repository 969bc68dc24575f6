# %% n14-e1
class MyPooling(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=1e-8).sqrt()], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # no square root
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # a deviation without weights
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        return torch.cat([mean, hidden.std(dim=1, unbiased=False)], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # the mean is not subtracted
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        square = (weights[..., None] * hidden**2).sum(dim=1)
        return torch.cat([mean, square.sqrt()], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # the deviation first
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([variance.sqrt(), mean], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # softmax over the batch
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=0)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance.sqrt()], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # its gradient is not finite for equal frames
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance.sqrt()], dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # the mean alone
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        return (weights[..., None] * hidden).sum(dim=1), weights

# %% n14-e1 wrong
class MyPooling(nn.Module):  # NaN
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        return torch.cat([hidden, hidden], dim=2).mean(1) * float("nan"), hidden.mean(2)

# %% n14-e2
my_context = 3 * (9 // 2)

# %% n14-e2 wrong
my_context = 4

# %% n14-e2 wrong
my_context = 8

# %% n14-e2 wrong
my_context = 27

# %% n14-e2 wrong
my_context = 13

# %% n14-e3
def my_shift(static, rng):
    shifts = rng.integers(-10, 11, len(static))
    return torch.stack([part.roll(int(shift), dims=-1)
                        for part, shift in zip(static, shifts, strict=True)])

# %% n14-e3 wrong
def my_shift(static, rng):  # one number for the batch
    return static.roll(int(rng.integers(-10, 11)), dims=-1)

# %% n14-e3 wrong
def my_shift(static, rng):  # 10 is left out
    return torch.stack([part.roll(int(rng.integers(-10, 10)), dims=-1) for part in static])

# %% n14-e3 wrong
def my_shift(static, rng):  # other random numbers
    return torch.stack([part.roll(int(np.random.randint(-10, 11)), dims=-1) for part in static])

# %% n14-e3 wrong
def my_shift(static, rng):  # no random numbers
    return torch.stack([part.roll(number % 21 - 10, dims=-1)
                        for number, part in enumerate(static)])

# %% n14-e3 wrong
def my_shift(static, rng):  # bands
    return torch.stack([part.roll(int(rng.integers(-10, 11)), dims=0) for part in static])

# %% n14-e3 wrong
def my_shift(static, rng):  # too far
    return torch.stack([part.roll(int(rng.integers(-12, 13)), dims=-1) for part in static])

# %% n14-e3 wrong
def my_shift(static, rng):  # zeros come in
    moved = torch.zeros_like(static)
    for row, shift in enumerate(rng.integers(-10, 11, len(static))):
        moved[row, :, max(shift, 0):static.shape[-1] + min(shift, 0)] = (
            static[row, :, max(-shift, 0):static.shape[-1] - max(shift, 0)])
    return moved

# %% n14-e3 wrong
def my_shift(static, rng):  # in place
    for row in range(len(static)):
        static[row] = static[row].roll(int(rng.integers(-10, 11)), dims=-1)
    return static

# %% n14-e3 wrong
def my_shift(static, rng):  # an array
    return np.roll(static.numpy(), int(rng.integers(-10, 11)), axis=-1)
