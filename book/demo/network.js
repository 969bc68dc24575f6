// The pretrained network in the browser: files are loaded on first use, then kept.

import { attentionCurve, levels, logGammatone, segmentStarts, segments } from "./frontend.js";
import { judged, mix } from "./levels.js";
import { distance, unlike } from "./outside.js";

const BATCH = 8; // segments at a time, so that memory does not grow with the sound

let loading = null;

/** { settings, filters, centres, session, ort }; the same promise for every call. */
export function load() {
  loading ??= start().catch((error) => {
    loading = null; // so that another try is possible
    throw error;
  });
  return loading;
}

async function start() {
  const at = (name) => new URL(name, import.meta.url);
  const fetched = async (name) => {
    const answer = await fetch(at(name));
    if (!answer.ok) throw new Error(`${name}: the server answered ${answer.status}`);
    return answer;
  };
  const [settings, filters, centres, model, ort] = await Promise.all([
    fetched("model.json").then((answer) => answer.json()),
    fetched("filters.f32").then((answer) => answer.arrayBuffer()),
    fetched("centres.f32").then((answer) => answer.arrayBuffer()),
    fetched("acrnn.onnx").then((answer) => answer.arrayBuffer()),
    import("./ort.wasm.min.mjs"),
  ]);
  ort.env.wasm.wasmPaths = at("./").href;
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  const session = await ort.InferenceSession.create(model);
  return { settings, filters: new Float32Array(filters), centres: new Float32Array(centres),
    session, ort };
}

/** Mono samples at the network's sampling rate, of a file's bytes (ArrayBuffer): { wave, note }. */
export async function decode(bytes) {
  const { settings } = await load();
  const context = new OfflineAudioContext(1, 1, settings.sample_rate); // resamples what it decodes
  const sound = await context.decodeAudioData(bytes);
  const channels = Array.from({ length: sound.numberOfChannels }, (_, c) => sound.getChannelData(c));
  return mix(channels, settings.limits);
}

/**
 * Classify a wave (Float32Array, mono, at the network's sampling rate).
 * Returns { seconds, note, probabilities, curve, distance, spectrogram, starts }; for a sound that
 * cannot be judged, probabilities, curve and distance are null.
 */
export async function classify(wave) {
  const { settings, filters, centres } = await load();
  const shortest = (settings.segment_frames - 1) * settings.hop_length;
  const seconds = wave.length / settings.sample_rate;
  const { gain, note: said } = judged(wave, settings.limits), notes = [said];
  if (gain) wave = wave.map((x) => x * 10 ** (gain / 20));
  if (wave.length < shortest) {
    const padded = new Float32Array(shortest);
    padded.set(wave);
    wave = padded;
    notes.push(`Shorter than a segment (${(shortest / settings.sample_rate).toFixed(2)} s): ` +
      "padded with silence, so do not rely on the answer.");
  }
  const spectrogram = logGammatone(wave, settings, filters);
  if (gain === null) {
    return { seconds, note: said, spectrogram, probabilities: null, curve: null, distance: null };
  }
  const starts = segmentStarts(spectrogram, settings);
  const votes = [], weights = [], summaries = [];
  for (let first = 0; first < starts.length; first += BATCH) {
    const found = await run(spectrogram, starts.slice(first, first + BATCH));
    votes.push(...found.logits.map(softmax));
    weights.push(...found.attention);
    summaries.push(...found.summaries);
  }
  const level = levels(spectrogram, settings);
  const loud = level.reduce((a, b) => Math.max(a, b)) - settings.silence_db;
  const audible = level.filter((x) => x > loud).length * settings.hop_length / settings.sample_rate;
  const far = distance(summaries, centres, settings.limits);
  notes.push(unlike(audible, far, settings.limits));
  const note = notes.filter(Boolean).join(" ");
  const probabilities = settings.classes.map(
    (_, c) => votes.reduce((sum, vote) => sum + vote[c], 0) / votes.length);
  const curve = attentionCurve(starts, weights, settings);
  return { seconds, note, probabilities, curve, distance: far, spectrogram, starts };
}

/** The network's outputs for segments by name, an array of rows each. */
async function run(spectrogram, starts) {
  const { settings, session, ort } = await load();
  const shape = [starts.length, 2, settings.n_bands, settings.segment_frames];
  const input = new ort.Tensor("float32", segments(spectrogram, starts, settings), shape);
  const found = await session.run({ segments: input });
  const rows = ({ data, dims }) =>
    starts.map((_, s) => Array.from(data.subarray(s * dims[1], (s + 1) * dims[1])));
  return Object.fromEntries(Object.entries(found).map(([name, output]) => [name, rows(output)]));
}

function softmax(logits) {
  const most = Math.max(...logits), powers = logits.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}
