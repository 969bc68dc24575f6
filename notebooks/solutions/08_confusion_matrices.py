# %% n08-34
my_precision = toy.loc["sea", "sea"] / toy["sea"].sum()

# %% n08-34 wrong
my_precision = toy.loc["sea", "sea"] / toy.loc["sea"].sum()

# %% n08-34 wrong
my_precision = 0.123

# %% n08-37
my_matrix = np.zeros((10, 10), int)
my_matrix[:, 1] = 40

# %% n08-37 wrong
my_matrix = np.zeros((10, 10), int)
my_matrix[1] = 40

# %% n08-37 wrong
my_matrix = np.eye(10)

# %% n08-51
def my_f1(matrix):
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    return 2 * np.diag(matrix) / np.maximum(total, 1)

# %% n08-51 wrong
def my_f1(matrix):
    with np.errstate(invalid="ignore"):
        return 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))

# %% n08-51 wrong
def my_f1(matrix):
    return np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
