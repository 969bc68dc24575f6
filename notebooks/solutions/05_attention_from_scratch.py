# %% n05-e1
scores = [0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1]
my_factor = 1
while torch.softmax(my_factor * torch.tensor(scores), 0).max() < 0.9:
    my_factor += 1

# %% n05-e1 wrong
scores = [0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1]
my_factor = 2

# %% n05-e1 wrong
scores = [0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1]
my_factor = 50

# %% n05-e2
my_weights = (H**2).sum(axis=1) / (H**2).sum()

# %% n05-e2 wrong
my_weights = (H**2).sum(axis=1)

# %% n05-e2 wrong
my_weights = np.full(6, 1 / 6)

# %% n05-e3
def my_scale(scores):
    gates = torch.sigmoid(scores)
    return gates / gates.sum(dim=1, keepdim=True)

# %% n05-e3 wrong
def my_scale(scores):
    return torch.sigmoid(scores)

# %% n05-e3 wrong
def my_scale(scores):
    return torch.softmax(scores, dim=1)
