// Browsers load the network's scripts only from a server. This file is a plain script, which runs
// from a disk too, and says so.

if (location.protocol === "file:") {
  for (const place of document.querySelectorAll(".acrnn-demo")) {
    const note = place.appendChild(document.createElement("p"));
    note.className = "acrnn-note";
    note.textContent = "This page was opened as a file, and browsers load the network only from a " +
      "server. Run python -m http.server in this folder, then open http://localhost:8000.";
  }
}
