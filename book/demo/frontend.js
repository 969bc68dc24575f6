// From samples to the network's input, as acrnn_lib/features does it: log-gammatone energies of
// overlapping windows, their delta, segments of 128 frames. All settings come from the checkpoint.

/** FFT of real windows of a power of two, in place: a radix-2 butterfly with tables. */
class Fft {
  constructor(n) {
    this.n = n;
    this.re = new Float64Array(n);
    this.im = new Float64Array(n);
    this.cos = Float64Array.from({ length: n / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / n));
    this.sin = Float64Array.from({ length: n / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / n));
    const bits = Math.log2(n);
    this.reversed = Uint32Array.from({ length: n }, (_, k) => {
      let r = 0;
      for (let b = 0; b < bits; b++) r |= ((k >> b) & 1) << (bits - 1 - b);
      return r;
    });
  }

  /** Transform n samples that value(k) gives; power(k) reads the result. */
  transform(value) {
    const { n, re, im, cos, sin, reversed } = this;
    for (let k = 0; k < n; k++) {
      re[reversed[k]] = value(k);
      im[k] = 0;
    }
    for (let size = 2; size <= n; size *= 2) {
      const half = size / 2, step = n / size;
      for (let start = 0; start < n; start += size) {
        for (let k = 0; k < half; k++) {
          const a = start + k, b = a + half, c = cos[k * step], s = sin[k * step];
          const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }

  power(k) {
    return this.re[k] * this.re[k] + this.im[k] * this.im[k];
  }
}

/** Index of sample k of n where the signal is mirrored at its ends. */
function mirrored(k, n) {
  if (k < 0) return -k;
  return k < n ? k : 2 * (n - 1) - k;
}

/**
 * Log energies of a wave.
 * wave: Float32Array at settings.sample_rate, longer than half a window.
 * Returns { values, frames }: values[band * frames + frame], band 0 the lowest.
 */
export function logGammatone(wave, settings, filters) {
  const { n_fft, hop_length, n_bands, log_floor } = settings, bins = n_fft / 2 + 1;
  const frames = 1 + Math.floor(wave.length / hop_length), fft = new Fft(n_fft);
  const window = Float64Array.from(
    { length: n_fft }, (_, k) => 0.54 - 0.46 * Math.cos((2 * Math.PI * k) / n_fft));
  const values = new Float32Array(n_bands * frames), power = new Float64Array(bins);
  for (let frame = 0; frame < frames; frame++) {
    const first = frame * hop_length - n_fft / 2; // the window is centred on its frame
    fft.transform((k) => wave[mirrored(first + k, wave.length)] * window[k]);
    for (let k = 0; k < bins; k++) power[k] = fft.power(k);
    for (let band = 0; band < n_bands; band++) {
      let energy = 0;
      for (let k = 0; k < bins; k++) energy += filters[band * bins + k] * power[k];
      values[band * frames + frame] = Math.log(energy + log_floor);
    }
  }
  return { values, frames };
}

/** Level of each frame in dB, summed over the bands. */
export function levels({ values, frames }, settings) {
  return Float64Array.from({ length: frames }, (_, frame) => {
    let sum = 0;
    for (let band = 0; band < settings.n_bands; band++) sum += Math.exp(values[band * frames + frame]);
    return 10 * Math.log10(sum);
  });
}

/** First frame of each audible segment: every segment_hop, the last one aligned to the end. */
export function segmentStarts(spectrogram, settings) {
  const { segment_frames, segment_hop, silence_db } = settings;
  const last = spectrogram.frames - segment_frames, level = levels(spectrogram, settings);
  const starts = [];
  for (let start = 0; start <= last; start += segment_hop) starts.push(start);
  if (starts[starts.length - 1] !== last) starts.push(last);
  const peaks = starts.map((start) => Math.max(...level.subarray(start, start + segment_frames)));
  const loudest = Math.max(...peaks);
  return starts.filter((_, k) => peaks[k] > loudest - silence_db);
}

/** Normalised segments, Float32Array of shape (segments, 2, bands, segment_frames). */
export function segments({ values, frames }, starts, settings) {
  const { n_bands, segment_frames, delta_width, mean, std } = settings;
  const half = (delta_width - 1) / 2;
  let norm = 0;
  for (let n = 1; n <= half; n++) norm += 2 * n * n;
  const size = n_bands * segment_frames, result = new Float32Array(starts.length * 2 * size);
  starts.forEach((start, s) => {
    for (let band = 0; band < n_bands; band++) {
      // beyond the clip its edge frames are repeated
      const at = (k) => values[band * frames + Math.min(Math.max(k, 0), frames - 1)];
      for (let frame = 0; frame < segment_frames; frame++) {
        const k = start + frame, place = s * 2 * size + band * segment_frames + frame;
        let slope = 0;
        for (let n = 1; n <= half; n++) slope += n * (at(k + n) - at(k - n));
        result[place] = (at(k) - mean[0]) / std[0];
        result[place + size] = (slope / norm - mean[1]) / std[1];
      }
    }
  });
  return result;
}

/** Attention over the frames of a clip, averaged over overlapping segments; 1 is uniform. */
export function attentionCurve(starts, weights, settings) {
  const { segment_frames, owners } = settings, steps = weights[0].length;
  const frames = starts[starts.length - 1] + segment_frames;
  const total = new Float64Array(frames), count = new Float64Array(frames);
  starts.forEach((start, s) => {
    for (let k = 0; k < segment_frames; k++) {
      total[start + k] += steps * weights[s][owners[k]];
      count[start + k] += 1;
    }
  });
  return total.map((sum, k) => (count[k] ? sum / count[k] : NaN));
}
