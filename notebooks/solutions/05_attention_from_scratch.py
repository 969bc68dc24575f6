# %% n05-41
scores = torch.tensor([[0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1]])
my_factor = 1
while acrnn.scale_scores(my_factor * scores, "softmax").max() < 0.9:
    my_factor += 1

# %% n05-41 wrong
my_factor = 2

# %% n05-41 wrong
my_factor = 50

# %% n05-44
my_weights = (H**2).sum(axis=1) / (H**2).sum()

# %% n05-44 wrong
my_weights = (H**2).sum(axis=1)

# %% n05-44 wrong
my_weights = np.full(6, 1 / 6)

# %% n05-51
def my_scale(scores):
    gates = torch.sigmoid(scores)
    return gates / gates.sum(dim=1, keepdim=True)

# %% n05-51 wrong
def my_scale(scores):
    return torch.sigmoid(scores)

# %% n05-51 wrong
def my_scale(scores):
    return torch.softmax(scores, dim=1)
