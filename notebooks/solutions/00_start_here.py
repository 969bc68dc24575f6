# %% n00-31
starts = [*range(0, 862 - 128 + 1, 64)]
my_segments = len(starts) + (starts[-1] + 128 < 862)

# %% n00-31 wrong
my_segments = (862 - 128) // 64 + 1

# %% n00-31 wrong
my_segments = 862 // 64 + 1

# %% n00-31 wrong
my_segments = "twelve"

# %% n00-31 wrong
my_segments = float("nan")

# %% n00-31 wrong
my_segments = np.array([12, 13])

# %% n00-34
my_sound = clips.path[0]  # for want of a microphone; whatever you recorded is as right

# %% n00-34 wrong
my_sound = "../no_such_kettle.wav"

# %% n00-34 wrong
my_sound = acrnn_lib.__file__  # a file, but no sound

# %% n00-34 wrong
my_sound = 3

# %% n00-34 wrong
my_sound = np.array([1.0, float("nan")])

# %% n00-38
my_votes = [[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]

# %% n00-38 wrong
my_votes = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]  # the two are too sure

# %% n00-38 wrong
my_votes = [[0.4, 0.6], [0.4, 0.6], [0.1, 0.9]]  # nobody prefers class 0

# %% n00-38 wrong
my_votes = [[6, 4], [6, 4], [1, 9]]

# %% n00-38 wrong
my_votes = [0.6, 0.6, 0.1]

# %% n00-38 wrong
my_votes = [[0.6, 0.4], [0.6, 0.4], [float("nan"), float("nan")]]

# %% n00-38 wrong
my_votes = [[0.6, 0.4], [0.6, 0.4], [None, None]]

# %% n00-38 wrong
my_votes = "two against one"

# %% n00-38 wrong
my_votes = [["0.6", "0.4"], ["0.6", "0.4"], ["0.1", "0.9"]]

# %% n00-38 wrong
my_votes = [[0.6, 0.4], [0.6, 0.4], [0.1]]

# %% n00-38 wrong
my_votes = np.zeros((2, 3, 2))
