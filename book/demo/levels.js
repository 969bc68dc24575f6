// Channels and level of a sound, as acrnn_lib/data/levels.py treats them; the limits are settings.

const decibels = (amplitude) => 20 * Math.log10(Math.max(amplitude, 1e-10));

/** Mean of channels (Float32Arrays), or where they cancel, the strongest one: { wave, note }. */
export function mix(channels, { cancelled_db }) {
  const count = channels.length, mean = new Float32Array(channels[0].length);
  const power = (wave) => wave.reduce((sum, x) => sum + x * x, 0);
  if (count === 1) return { wave: Float32Array.from(channels[0]), note: "" };
  for (const channel of channels) channel.forEach((x, k) => (mean[k] += x / count));
  const powers = channels.map(power), unrelated = powers.reduce((a, b) => a + b) / count ** 2;
  const left = unrelated ? 10 * Math.log10(Math.max(power(mean), 1e-30) / unrelated) : 0;
  if (!(left < cancelled_db)) return { wave: mean, note: "" };
  const strongest = powers.indexOf(Math.max(...powers));
  return { wave: Float32Array.from(channels[strongest]), note: "Opposite phase: the mean of the " +
    `${count} channels is ${left.toFixed(0)} dB from that of unrelated ones (limit ` +
    `${cancelled_db} dB), so only channel ${strongest + 1} is used.` };
}

/** By how many dB a wave is raised, null where it cannot be judged: { gain, note }. */
export function judged(wave, settings) {
  const { silence_dbfs, flat_db, too_soft_dbfs, soft_dbfs, reference_dbfs, edge } = settings;
  const inner = wave.length > 4 * edge ? wave.subarray(edge, -edge) : wave;
  const reduced = (part, better) => part.reduce((a, b) => better(a, b));
  const loudest = decibels(wave.reduce((a, b) => Math.max(a, Math.abs(b)), 0));
  const range = decibels((reduced(inner, Math.max) - reduced(inner, Math.min)) / 2);
  if (loudest < silence_dbfs) {
    return { gain: null, note: `Silence: nothing above ${silence_dbfs} dB of full scale.` };
  }
  const flat = Math.max(silence_dbfs, loudest + flat_db);
  if (range < flat) {
    return { gain: null, note: `Constant: varies by ${range.toFixed(0)} dB of full scale, expected ` +
      `at least ${flat.toFixed(0)} dB.` };
  }
  const at = `loudest moment at ${range.toFixed(1)} dB of full scale`;
  if (range < too_soft_dbfs) {
    return { gain: null, note: `Too soft: ${at}, expected at least ${too_soft_dbfs} dB.` };
  }
  if (range >= soft_dbfs) return { gain: 0, note: "" };
  const gain = reference_dbfs - range;
  return { gain, note: `Raised by ${gain.toFixed(0)} dB: ${at}, below ${soft_dbfs.toFixed(1)} dB.` };
}
