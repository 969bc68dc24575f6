// What tells a sound from those of training, as acrnn_lib/evaluation/outside.py; limits are settings.

/** Squared Mahalanobis distance of a summary (array of F numbers) from the nearest class. */
function nearest(summary, means, precision) {
  const size = summary.length, apart = new Float64Array(size);
  let least = Infinity;
  for (let first = 0; first < means.length; first += size) {
    for (let k = 0; k < size; k++) apart[k] = summary[k] - means[first + k];
    let sum = 0;
    for (let row = 0, at = 0; row < size; row++) { // of a symmetric matrix, its upper half
      let product = precision[at++] * apart[row];
      for (let column = row + 1; column < size; column++) product += 2 * precision[at++] * apart[column];
      sum += apart[row] * product;
    }
    least = Math.min(least, sum);
  }
  return least;
}

/**
 * Mean distance of the segments of a sound, in multiples of that of the training clips.
 * summaries: an array of F numbers for each audible segment; centres: Float32Array of the file
 * centres.f32, the means of the classes, then the upper half of the precision, row by row.
 */
export function distance(summaries, centres, { mean_distance }) {
  const size = summaries[0].length, half = (size * (size + 1)) / 2;
  const means = centres.subarray(0, centres.length - half), precision = centres.subarray(-half);
  const all = summaries.map((summary) => nearest(summary, means, precision));
  return all.reduce((a, b) => a + b) / all.length / mean_distance;
}

/** Note on a sound unlike those of training, audible for so many seconds, at this distance; or "". */
export function unlike(seconds, far, { shortest, farthest }) {
  const said = [];
  if (seconds < shortest) {
    said.push(`audible for ${seconds.toFixed(2)} s, the shortest of them for ${shortest.toFixed(2)} s`);
  }
  if (far > farthest) {
    said.push(`distance ${far.toFixed(2)} times that of training, limit ${farthest.toFixed(2)}`);
  }
  return said.length ? `Unlike the training sounds: ${said.join(", ")}.` : "";
}
