# %% n06-92
def my_draw(audible, per_clip, rng):
    rows = []
    for clip in range(len(audible[0])):
        copy = rng.integers(len(audible))
        for position in rng.choice(np.flatnonzero(audible[copy][clip]), per_clip):
            rows.append((clip, copy, position))
    return rng.permutation(rows)

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # silent positions, too
    rows = []
    for clip in range(len(audible[0])):
        copy = rng.integers(len(audible))
        for position in rng.choice(len(audible[copy][clip]), per_clip):
            rows.append((clip, copy, position))
    return rng.permutation(rows)

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # the originals alone
    return rng.permutation([(clip, 0, position) for clip in range(len(audible[0]))
                            for position in rng.choice(np.flatnonzero(audible[0][clip]), per_clip)])

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # a copy for each segment
    rows = []
    for clip in range(len(audible[0])):
        for _ in range(per_clip):
            copy = rng.integers(len(audible))
            rows.append((clip, copy, rng.choice(np.flatnonzero(audible[copy][clip]))))
    return rng.permutation(rows)

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # in the order of the clips
    rows = []
    for clip in range(len(audible[0])):
        copy = rng.integers(len(audible))
        for position in rng.choice(np.flatnonzero(audible[copy][clip]), per_clip):
            rows.append((clip, copy, position))
    return rows

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # always the first positions
    rows = []
    for clip in range(len(audible[0])):
        copy = rng.integers(len(audible))
        for position in np.resize(np.flatnonzero(audible[copy][clip])[:per_clip], per_clip):
            rows.append((clip, copy, position))
    return rng.permutation(rows)

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # copy before clip
    return [(rng.integers(len(audible)), clip, 0) for clip in range(len(audible[0]))
            for _ in range(per_clip)]

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # a generator of its own
    rows, own = [], np.random.default_rng()
    for clip in range(len(audible[0])):
        copy = own.integers(len(audible))
        for position in own.choice(np.flatnonzero(audible[copy][clip]), per_clip):
            rows.append((clip, copy, position))
    return own.permutation(rows)

# %% n06-92 wrong
def my_draw(audible, per_clip, rng):  # one segment too few
    return [(clip, 0, 0) for clip in range(len(audible[0]))]

# %% n06-42
my_steps = 4 * 80 * 3 // 32 * 20

# %% n06-42 wrong
my_steps = 5 * 80 * 3 // 32 * 20

# %% n06-42 wrong
my_steps = 4 * 80 * 3 // 32

# %% n06-42 wrong
my_steps = 601

# %% n06-61
def my_normalise(x, mean, std):
    return (x - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)

# %% n06-61 wrong
def my_normalise(x, mean, std):  # without the mean
    return x / std.view(1, -1, 1, 1)

# %% n06-61 wrong
def my_normalise(x, mean, std):  # of the batch
    return (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)

# %% n06-61 wrong
def my_normalise(x, mean, std):  # the shapes do not fit
    return (x - mean) / std

# %% n06-63
def my_cross_entropy(logits, targets):
    return -logits.log_softmax(1)[torch.arange(len(targets)), targets].mean()

# %% n06-63 wrong
def my_cross_entropy(logits, targets):  # not a mean
    return -logits.log_softmax(1)[torch.arange(len(targets)), targets].sum()

# %% n06-63 wrong
def my_cross_entropy(logits, targets):  # no logarithm
    return -logits.softmax(1)[torch.arange(len(targets)), targets].mean()

# %% n06-63 wrong
def my_cross_entropy(logits, targets):  # overflows
    odds = torch.exp(logits)
    return -torch.log(odds / odds.sum(1, keepdim=True))[torch.arange(len(targets)), targets].mean()

# %% n06-63 wrong
def my_cross_entropy(logits, targets):  # the other sign
    return logits.log_softmax(1)[torch.arange(len(targets)), targets].mean()

# %% n06-63 wrong
def my_cross_entropy(logits, targets):  # the function that it is about
    return F.cross_entropy(logits, targets)

# %% n06-65
def my_step(model, optimizer, x, targets):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), targets)
    loss.backward()
    optimizer.step()
    return loss.item()

# %% n06-65 wrong
def my_step(model, optimizer, x, targets):  # no zero_grad
    loss = F.cross_entropy(model(x), targets)
    loss.backward()
    optimizer.step()
    return loss.item()

# %% n06-65 wrong
def my_step(model, optimizer, x, targets):  # no backward
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), targets)
    optimizer.step()
    return loss.item()

# %% n06-65 wrong
def my_step(model, optimizer, x, targets):  # no step
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), targets)
    loss.backward()
    return loss.item()

# %% n06-65 wrong
def my_step(model, optimizer, x, targets):  # softmax twice
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x).softmax(1), targets)
    loss.backward()
    optimizer.step()
    return loss.item()

# %% n06-65 wrong
def my_step(model, optimizer, x, targets):  # nothing returned
    optimizer.zero_grad()
    F.cross_entropy(model(x), targets).backward()
    optimizer.step()

# %% n06-67
def my_schedule(first, progress):
    return first * 0.1 ** min(int(progress * 3), 2)

# %% n06-67 wrong
def my_schedule(first, progress):  # a third reduction at 1
    return first * 0.1 ** int(progress * 3)

# %% n06-67 wrong
def my_schedule(first, progress):  # constant
    return first

# %% n06-67 wrong
def my_schedule(first, progress):  # halves
    return first if progress < 0.5 else first / 10

# %% n06-67 wrong
def my_schedule(first, progress):  # without its argument
    return 0.01 * 0.1 ** min(int(progress * 3), 2)

# %% n06-45
my_rate = 0.01 / 10 / 10

# %% n06-45 wrong
my_rate = 0.001

# %% n06-45 wrong
my_rate = 0.00011

# %% n06-69
def my_epoch(model, optimizer, batches, step):
    model.train()
    total = sum(step(model, optimizer, x, targets) * len(x) for x, targets in batches)
    return total / sum(len(x) for x, _ in batches)

# %% n06-69 wrong
def my_epoch(model, optimizer, batches, step):  # each batch counts the same
    model.train()
    return np.mean([step(model, optimizer, x, targets) for x, targets in batches])

# %% n06-69 wrong
def my_epoch(model, optimizer, batches, step):  # the last loss
    model.train()
    for x, targets in batches:
        loss = step(model, optimizer, x, targets)
    return loss

# %% n06-69 wrong
def my_epoch(model, optimizer, batches, step):  # not in training mode
    total = sum(step(model, optimizer, x, targets) * len(x) for x, targets in batches)
    return total / sum(len(x) for x, _ in batches)

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
