# %% n04-e1
my_l3 = 64 * 32 * 3 + 2 * 64

# %% n04-e1 wrong
my_l3 = 64 * 32 * 3

# %% n04-e1 wrong
my_l3 = 64 * 32 * 3 + 3 * 64

# %% n04-e1 wrong
my_l3 = "6272"

# %% n04-e1 wrong
my_l3 = float("nan")

# %% n04-e1 wrong
my_l3 = np.array([6272, 1])

# %% n04-e2
def conv_block(in_channels, filters, kernel, pool):
    padding = (kernel[0] // 2, kernel[1] // 2)
    layers = [
        nn.Conv2d(in_channels, filters, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]
    if pool:
        layers.append(nn.MaxPool2d(pool))
    return nn.Sequential(*layers)

# %% n04-e2 wrong
conv_block = "a block"

# %% n04-e2 wrong
conv_block = nn.Sequential

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):
    return nn.Sequential

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):
    return np.zeros(3)

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):  # no padding
    return nn.Sequential(nn.Conv2d(in_channels, filters, kernel, bias=False),
                         nn.BatchNorm2d(filters), nn.ReLU())

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):  # a bias
    return nn.Sequential(nn.Conv2d(in_channels, filters, kernel, padding="same"),
                         nn.BatchNorm2d(filters), nn.ReLU())

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):  # ReLU before batch normalisation
    return nn.Sequential(nn.Conv2d(in_channels, filters, kernel, padding="same", bias=False),
                         nn.ReLU(), nn.BatchNorm2d(filters))

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):  # mean in place of maximum
    layers = [nn.Conv2d(in_channels, filters, kernel, padding="same", bias=False),
              nn.BatchNorm2d(filters), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.AvgPool2d(pool)] if pool else []))

# %% n04-e2 wrong
def conv_block(in_channels, filters, kernel, pool):  # (time, frequency)
    return nn.Sequential(nn.Conv2d(in_channels, filters, kernel[::-1], padding="same", bias=False),
                         nn.BatchNorm2d(filters), nn.ReLU())

# %% n04-e3
class MyRecurrent(nn.Module):
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.rnn = nn.GRU(in_features, cells, batch_first=True, bidirectional=True)

    def forward(self, x):
        states, _ = self.rnn(x)
        forwards, backwards = states.chunk(2, dim=-1)
        return forwards + backwards

# %% n04-e3 wrong
MyRecurrent = float("nan")

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # both directions side by side
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.rnn = nn.GRU(in_features, cells, batch_first=True, bidirectional=True)

    def forward(self, x):
        return self.rnn(x)[0]

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # their mean
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.rnn = nn.GRU(in_features, cells, batch_first=True, bidirectional=True)

    def forward(self, x):
        forwards, backwards = self.rnn(x)[0].chunk(2, dim=-1)
        return (forwards + backwards) / 2

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # reads across the segments of the batch
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.rnn = nn.GRU(in_features, cells, bidirectional=True)

    def forward(self, x):
        forwards, backwards = self.rnn(x)[0].chunk(2, dim=-1)
        return forwards + backwards

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # one direction
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.rnn = nn.GRU(in_features, cells, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # another name
    def __init__(self, in_features, cells=256):
        super().__init__()
        self.gru = nn.GRU(in_features, cells, batch_first=True, bidirectional=True)

    def forward(self, x):
        forwards, backwards = self.gru(x)[0].chunk(2, dim=-1)
        return forwards + backwards

# %% n04-e3 wrong
class MyRecurrent(nn.Module):  # without super().__init__()
    def __init__(self, in_features, cells=256):
        self.rnn = nn.GRU(in_features, cells, batch_first=True, bidirectional=True)

# %% n04-e4
class MyAttention(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        scores = self.score(hidden).squeeze(-1)
        weights = torch.softmax(scores, dim=1)
        return (weights[:, :, None] * hidden).sum(dim=1), weights

# %% n04-e4 wrong
class MyAttention(nn.Module):  # softmax over the segments of the batch
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = torch.softmax(self.score(hidden).squeeze(-1), dim=0)
        return (weights[:, :, None] * hidden).sum(dim=1), weights

# %% n04-e4 wrong
class MyAttention(nn.Module):  # each weight is 1
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = torch.softmax(self.score(hidden), dim=-1)
        return (weights * hidden).sum(dim=1), weights.squeeze(-1)

# %% n04-e4 wrong
class MyAttention(nn.Module):  # one output
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = torch.softmax(self.score(hidden), dim=1)
        return (weights * hidden).sum(dim=1)

# %% n04-e4 wrong
class MyAttention(nn.Module):  # text
    def __init__(self, features):
        super().__init__()

    def forward(self, hidden):
        return "sum", "weights"

# %% n04-e4 wrong
class MyAttention(nn.Module):  # NaN
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        return hidden.mean(1) * float("nan"), hidden.mean(2)

# %% n04-e5
class MyACRNN(nn.Module):
    def __init__(self, n_classes=10):
        super().__init__()
        self.cnn = nn.ModuleDict({
            "l1": Block(2, 32, (3, 5), None),
            "l2": Block(32, 32, (3, 5), (4, 3)),
            "l3": Block(32, 64, (3, 1), None),
            "l4": Block(64, 64, (3, 1), (4, 1)),
            "l5": Block(64, 128, (1, 5), None),
            "l6": Block(128, 128, (1, 5), (1, 3)),
            "l7": Block(128, 256, (3, 3), None),
            "l8": Block(256, 256, (3, 3), (2, 2)),
        })
        self.l9 = Recurrent(1024)
        self.l10 = Recurrent(256)
        self.dropout = nn.Dropout(0.5)
        self.attention = Attention(256)
        self.classifier = nn.Linear(256, n_classes)

    def forward(self, x):
        for layer in self.cnn.values():
            x = layer(x)
        hidden = x.permute(0, 3, 1, 2).flatten(2)  # (batch, frames, channels x bands)
        hidden = self.dropout(self.l9(hidden))
        hidden = self.dropout(self.l10(hidden))
        summed, weights = self.attention(hidden)
        return self.classifier(summed), weights

# %% n04-e5 wrong
MyACRNN = "a network"

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # logits alone
    def __init__(self, n_classes):
        super().__init__(n_classes=n_classes)

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # no dropout
    def __init__(self, n_classes):
        super().__init__(config.ModelConfig(dropout=0.0), n_classes)

    def forward(self, x):
        return super().forward(x, return_attention=True)

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # without attention
    def __init__(self, n_classes):
        super().__init__(config.ModelConfig(attention="none"), n_classes)

    def forward(self, x):
        return super().forward(x, return_attention=True)

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # bands and channels in another order
    def __init__(self, n_classes):
        super().__init__(n_classes=n_classes)

    def forward(self, x):
        for layer in self.cnn.values():
            x = layer(x)
        hidden = self.dropout(self.l9(x.permute(0, 3, 2, 1).flatten(2)))
        summed, weights = self.attention(self.dropout(self.l10(hidden)))
        return self.classifier(summed), weights

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # probabilities in place of logits
    def __init__(self, n_classes):
        super().__init__(n_classes=n_classes)

    def forward(self, x):
        logits, weights = super().forward(x, return_attention=True)
        return logits.softmax(1), weights

# %% n04-e5 wrong
class MyACRNN(acrnn.ACRNN):  # always ten classes
    def __init__(self, n_classes):
        super().__init__(n_classes=10)

    def forward(self, x):
        return super().forward(x, return_attention=True)

# %% n04-e6
def my_pretrained(tensors):
    model = MyACRNN(10)
    model.cnn["l1"][0].stride = (2, 3)
    model.cnn["l2"][3] = nn.MaxPool2d((2, 1))
    model.load_state_dict(tensors)
    return model.eval()

# %% n04-e6 wrong
def my_pretrained(tensors):
    return nn.Module

# %% n04-e6 wrong
def my_pretrained(tensors):
    return np.zeros((3, 10))

# %% n04-e6 wrong
def my_pretrained(tensors):  # another network, in which the names do not fit
    model = nn.Linear(3, 2)
    model.load_state_dict(tensors)
    return model.eval()

# %% n04-e6 wrong
def my_pretrained(tensors):  # the paper's stride and pool
    model = MyACRNN(10)
    model.load_state_dict(tensors)
    return model.eval()

# %% n04-e6 wrong
def my_pretrained(tensors):  # in training mode
    model = MyACRNN(10)
    model.cnn["l1"][0].stride = (2, 3)
    model.cnn["l2"][3] = nn.MaxPool2d((2, 1))
    model.load_state_dict(tensors)
    return model

# %% n04-e6 wrong
def my_pretrained(tensors):  # with random weights
    model = MyACRNN(10)
    model.cnn["l1"][0].stride = (2, 3)
    model.cnn["l2"][3] = nn.MaxPool2d((2, 1))
    return model.eval()

# %% n04-e6 wrong
def my_pretrained(tensors):  # frequency and time exchanged in the stride
    model = MyACRNN(10)
    model.cnn["l1"][0].stride = (3, 2)
    model.cnn["l2"][3] = nn.MaxPool2d((2, 1))
    model.load_state_dict(tensors)
    return model.eval()

# %% n04-53
my_seconds = (40 * 512 + 1024) / 44100

# %% n04-53 wrong
my_seconds = (48 * 512 + 1024) / 44100

# %% n04-53 wrong
my_seconds = 86 * 512 / 44100

# %% n04-53 wrong
my_seconds = 41

# %% n04-53 wrong
my_seconds = "half a second"
