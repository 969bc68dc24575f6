# %% n1b-41
my_hertz = 44100 - 30000

# %% n1b-41 wrong
my_hertz = 30000 - 22050

# %% n1b-41 wrong
my_hertz = 22050

# %% n1b-41 wrong
my_hertz = 30000

# %% n1b-51
my_decibels = 20 * np.log10(20)

# %% n1b-51 wrong
my_decibels = 10 * np.log10(20)

# %% n1b-51 wrong
my_decibels = -26

# %% n1b-51 wrong
my_decibels = 20

# %% n1b-61
def my_spectrogram(wave, n_fft, hop_length):
    frames = librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length)
    window = get_window("hamming", n_fft)[:, None]
    return np.abs(np.fft.rfft(frames * window, axis=0))

# %% n1b-61 wrong
def my_spectrogram(wave, n_fft, hop_length):
    return np.abs(librosa.stft(wave, n_fft=n_fft, hop_length=hop_length, window="hamming"))

# %% n1b-61 wrong
def my_spectrogram(wave, n_fft, hop_length):
    frames = librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length)
    return np.abs(np.fft.rfft(frames, axis=0))

# %% n1b-61 wrong
def my_spectrogram(wave, n_fft, hop_length):
    frames = librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length)
    window = get_window("hamming", n_fft)[:, None]
    return np.abs(np.fft.rfft(frames * window, axis=0)) ** 2

# %% n1b-61 wrong
def my_spectrogram(wave, n_fft, hop_length):
    frames = librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length).T
    return np.abs(np.fft.rfft(frames * get_window("hamming", n_fft)))

# %% n1b-61 wrong
def my_spectrogram(wave, n_fft, hop_length):
    frames = librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length)
    return np.abs(np.fft.fft(frames * get_window("hamming", n_fft)[:, None], axis=0))
