// A page element that plays a sound and shows what the network hears: spectrogram, attention that
// moves with the sound, probabilities.

import { classify, decode, load } from "./network.js";

const TICKS_HZ = [100, 300, 1000, 3000, 10000];
const MARGIN = { left: 58, right: 12, top: 8, bottom: 34 };

function part(parent, tag, settings = {}) {
  return parent.appendChild(Object.assign(document.createElement(tag), settings));
}

/** Build the demonstration inside an element; data-clips names the clips' folder and list. */
export async function build(root) {
  const view = new View(root);
  const answer = await fetch(new URL("clips.json", import.meta.url));
  for (const clip of await answer.json()) view.offer(clip);
}

class View {
  constructor(root) {
    const bar = part(root, "div", { className: "acrnn-choice" });
    this.clips = part(bar, "select", { ariaLabel: "Choose a sound" });
    part(this.clips, "option", { textContent: "Choose a sound …", value: "" });
    this.file = part(part(bar, "label", { textContent: "or a file of yours: " }), "input",
                     { type: "file", accept: "audio/*" });
    this.recorder = part(bar, "button", { type: "button", textContent: "Record 5 s" });
    this.audio = part(root, "audio", { controls: true, ariaLabel: "The chosen sound" });
    this.canvas = part(root, "canvas", { role: "img", ariaLabel: "No sound yet" });
    this.text = part(root, "p", { className: "acrnn-note" });
    this.text.setAttribute("aria-live", "polite");
    this.table = part(root, "table", { className: "acrnn-answer" });
    this.credit = part(root, "p", { className: "acrnn-credit" });
    this.root = root;
    this.turn = 0; // of the sound that is shown: a slower, older answer is dropped
    this.clips.onchange = () => this.clips.value && this.bundled(JSON.parse(this.clips.value));
    this.file.onchange = () => this.file.files[0] && this.show(this.file.files[0], "");
    this.recorder.onclick = () => this.record();
    root.ondragover = (event) => event.preventDefault();
    root.ondrop = (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.show(event.dataTransfer.files[0], "");
    };
    this.audio.onplay = () => this.follow();
  }

  offer(clip) {
    part(this.clips, "option", { textContent: clip.label, value: JSON.stringify(clip) });
  }

  async bundled(clip) {
    this.clear(); // at once, not only when the file has come
    const answer = await fetch(new URL(`clips/${clip.file}`, import.meta.url));
    await this.show(await answer.blob(), clip.credit, clip.category);
  }

  async record() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: {
        echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    } catch (error) {
      this.text.textContent = `The microphone is not available: ${error.message}`;
      return;
    }
    const pieces = [], recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      this.recorder.disabled = false;
      this.show(new Blob(pieces, { type: recorder.mimeType }), "");
    };
    this.recorder.disabled = true;
    this.text.textContent = "Recording …";
    recorder.start();
    setTimeout(() => recorder.stop(), 5000);
  }

  /** Decode, play and classify a sound; what was shown before goes at once. */
  async show(blob, credit, category = "") {
    this.clear();
    const turn = this.turn;
    this.text.textContent = "Loading the network (19 MB at the first use) and classifying …";
    try {
      const { wave, note } = await decode(await blob.arrayBuffer());
      const began = performance.now(), found = await classify(wave);
      found.note = [note, found.note].filter(Boolean).join(" ");
      if (turn !== this.turn) return;
      this.found = found;
      this.settings = (await load()).settings;
      this.audio.src = URL.createObjectURL(blob);
      this.credit.textContent = credit;
      this.report(found, category, (performance.now() - began) / 1000);
      this.draw(0);
      this.root.dataset.state = "done";
    } catch (error) {
      if (turn !== this.turn) return;
      this.text.textContent = `This sound cannot be classified: ${error.message || error.name}`;
      this.root.dataset.state = "failed";
    }
  }

  clear() {
    this.turn += 1;
    this.root.dataset.state = "busy";
    this.audio.pause();
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute("src");
    this.found = null;
    this.table.replaceChildren();
    this.credit.textContent = "";
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  report({ probabilities, seconds, note }, category, took) {
    this.canvas.dataset.seconds = took;
    if (!probabilities) {
      this.text.textContent = note;
      return;
    }
    const order = probabilities.map((p, c) => [p, this.settings.classes[c]]).sort((a, b) => b[0] - a[0]);
    const truth = category ? ` The sound is ${words(category)}.` : "";
    this.text.textContent = `${words(order[0][1])}, with a probability of ` +
      `${percent(order[0][0])}.${truth}${note && ` ${note}`} Answered in ${took.toFixed(1)} s ` +
      `for ${seconds.toFixed(1)} s of sound.`;
    this.canvas.ariaLabel = `Log-gammatone spectrogram of ${seconds.toFixed(1)} s with the ` +
      `attention over time; highest probability: ${words(order[0][1])}`;
    const head = part(part(this.table, "thead"), "tr");
    part(head, "th", { scope: "col", textContent: "class" });
    part(head, "th", { scope: "col", textContent: "probability" });
    const body = part(this.table, "tbody");
    for (const [p, name] of order) {
      const row = part(body, "tr");
      row.dataset.probability = p;
      row.dataset.name = name;
      part(row, "th", { scope: "row", textContent: words(name) });
      const cell = part(row, "td");
      part(cell, "span", { className: "acrnn-bar" }).style.width = `${Math.max(1, 100 * p)}px`;
      part(cell, "span", { textContent: ` ${percent(p)}` });
    }
  }

  /** Draw the picture with the playing position at `now` seconds. */
  draw(now) {
    const { found, settings, canvas } = this, context = canvas.getContext("2d");
    const { left, right, top, bottom } = MARGIN, sharp = window.devicePixelRatio;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const box = { x: left, y: top, w: width - left - right, h: height - top - bottom };
    const style = getComputedStyle(canvas), seconds = found.spectrogram.frames *
      settings.hop_length / settings.sample_rate;
    Object.assign(canvas, { width: width * sharp, height: height * sharp }); // clears it, too
    context.scale(sharp, sharp);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture(found, settings), box.x, box.y, box.w, box.h);
    context.fillStyle = context.strokeStyle = style.color;
    context.font = "13px sans-serif";
    axes(context, box, seconds, settings);
    if (found.curve) attention(context, box, found, settings, now, seconds);
  }

  follow() {
    if (!this.found) return;
    this.draw(this.audio.currentTime);
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }
}

/** The spectrogram as a small canvas, made once. */
function picture(found, settings) {
  if (found.picture) return found.picture;
  const { values, frames } = found.spectrogram, bands = settings.n_bands;
  const small = Object.assign(document.createElement("canvas"), { width: frames, height: bands });
  const context = small.getContext("2d"), image = context.createImageData(frames, bands);
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const range = Math.log(10) * 8; // 80 dB
  for (let band = 0; band < bands; band++) {
    for (let frame = 0; frame < frames; frame++) {
      const level = 1 + (values[band * frames + frame] - most) / range;
      const colour = settings.colours[Math.round(255 * Math.min(Math.max(level, 0), 1))];
      image.data.set([...colour, 255], 4 * ((bands - 1 - band) * frames + frame));
    }
  }
  context.putImageData(image, 0, 0);
  return (found.picture = small);
}

function axes(context, box, seconds, { centres }) {
  context.textAlign = "right";
  for (const hz of TICKS_HZ) {
    const band = centres.findIndex((centre) => centre >= hz);
    const y = box.y + box.h * (1 - (band + 0.5) / centres.length);
    context.fillText(hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`, box.x - 6, y + 4);
    context.fillRect(box.x - 4, y, 4, 1);
  }
  context.textAlign = "center";
  const step = [1, 2, 5, 10, 30, 60, 300].find((s) => seconds / s <= 12) ?? 600;
  for (let t = 0; t <= seconds; t += step) {
    const x = box.x + (box.w * t) / seconds;
    context.fillRect(x, box.y + box.h, 1, 4);
    context.fillText(`${t} s`, x, box.y + box.h + 20);
  }
}

/** The attention as a line over the picture, and where the sound is. */
function attention(context, box, { curve }, { hop_length, sample_rate }, now, seconds) {
  const most = Math.max(2, ...curve.filter((x) => x === x));
  const x = (t) => box.x + (box.w * t) / seconds;
  const y = (value) => box.y + box.h * (1 - (0.9 * value) / most);
  const line = (width, colour) => {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    curve.forEach((value, k) => {
      if (value === value) context.lineTo(x((k * hop_length) / sample_rate), y(value));
    });
    context.stroke();
  };
  line(5, "rgba(0, 0, 0, 0.7)");
  line(2.5, "#ffffff");
  context.fillStyle = "#ffffff";
  context.fillRect(x(now) - 1, box.y, 2, box.h);
  const value = curve[Math.min(curve.length - 1, Math.round((now * sample_rate) / hop_length))];
  context.beginPath();
  context.arc(x(now), y(value === value ? value : 0), 6, 0, 7);
  context.fill();
}

const words = (name) => name.replaceAll("_", " ");
const percent = (p) => `${(100 * p).toFixed(1)} %`;

document.querySelectorAll(".acrnn-demo").forEach(build);
