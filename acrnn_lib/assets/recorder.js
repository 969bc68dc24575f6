// A place for a sound: a file chosen or dropped, or the microphone. Its bytes go to the kernel.

const PIECE = 1 << 20; // bytes per message: servers of notebooks cut a connection at 10 MiB

function part(tag, settings, parent) {
  return parent.appendChild(Object.assign(document.createElement(tag), settings));
}

// What only the browser can decode (a recording, or a phone's .m4a) becomes WAV of 16 bits; the kernel mixes its channels.
async function wav(blob, seconds) {
  const rate = 44100;
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer());
  const length = Math.min(sound.length, Math.ceil(seconds * rate));
  const count = sound.numberOfChannels, size = 2 * count * length;
  const view = new DataView(new ArrayBuffer(44 + size));
  const text = (at, word) => [...word].forEach((c, k) => view.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, count, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * count * rate, true);
  view.setUint16(32, 2 * count, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, size, true);
  for (let c = 0; c < count; c++) {
    sound.getChannelData(c).subarray(0, length).forEach((x, k) => view.setInt16(
      44 + 2 * (k * count + c), 32767 * Math.max(-1, Math.min(1, x)), true));
  }
  return view.buffer;
}

function render({ model, el }) {
  const box = part("div", { className: "acrnn-recorder" }, el);
  const label = part("label", { textContent: "Choose a sound file, or drop one here: " }, box);
  const input = part("input", { type: "file", accept: "audio/*,.flac,.caf,.w64" }, label);
  const button = part("button", { type: "button", textContent: "Record" }, box);
  const status = part("p", {}, box);
  status.setAttribute("role", "status");
  const say = (text) => { status.textContent = text; };

  function send(name, bytes) {
    const parts = Math.max(1, Math.ceil(bytes.byteLength / PIECE));
    for (let k = 0; k < parts; k++) {
      const piece = bytes.slice(k * PIECE, (k + 1) * PIECE);
      model.send({ name, part: k, parts }, undefined, [piece]);
    }
  }

  const begin = (name) => model.send({ begin: name }); // takes the old answer away

  async function take(file) {
    const most = model.get("largest");
    if (file.size > most) {
      begin("");
      const size = (bytes) => `${Math.ceil(bytes / 1e6)} MB`;
      return say(`${file.name} holds ${size(file.size)}, expected at most ${size(most)}: ` +
                 "cut a piece out of it.");
    }
    begin(file.name);
    say(`Listening to ${file.name} ...`);
    let bytes = null;
    if (!model.get("known").some((suffix) => file.name.toLowerCase().endsWith(suffix))) {
      bytes = await wav(file, model.get("longest")).catch(() => null); // the kernel says what it is
    }
    send(file.name, bytes ?? (await file.arrayBuffer()));
  }

  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });

  let recorder = null;
  async function record() {
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
    const chunks = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => chunks.push(event.data);
    recorder.onstop = async () => {
      clearTimeout(end);
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      button.textContent = "Record";
      say("Listening to your recording ...");
      const blob = new Blob(chunks, { type: chunks[0]?.type });
      wav(blob, model.get("longest")).then(
        (bytes) => send("your recording.wav", bytes),
        (error) => {
          begin("");
          say(`The recording could not be read (${error.message}).`);
        });
    };
    begin("your recording");
    recorder.start();
    const end = setTimeout(() => recorder?.stop(), 1000 * model.get("longest"));
    button.textContent = "Stop";
    say(`Recording, at most ${model.get("longest")} s ...`);
  }
  button.addEventListener("click", () => {
    if (recorder) return recorder.stop();
    record().catch((error) => say(`No microphone: ${error.message}. A file works as well.`));
  });
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    button.hidden = true;
    say("This browser gives no microphone to this page: choose or drop a file.");
  }
  const told = (message) => say(message.text);
  model.on("msg:custom", told);
  return () => {
    model.off("msg:custom", told);
    recorder?.stop();
  };
}

export default { render };
