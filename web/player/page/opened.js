// A page that was opened as a file gets no modules from the browser, so page.js
// never runs there, and nothing but a plain script can say why.
if (location.protocol === "file:") {
  document.addEventListener("DOMContentLoaded", () => {
    const $ = (id) => document.getElementById(id);
    $("loading").hidden = true;
    $("about").textContent = "This page has to come from a web server.";
    $("error").textContent =
      "Browsers do not let a page that was opened as a file load its model. Put this folder onto any web server, or start one in it, " +
      "with “python3 -m http.server 8000” or “npx http-server -p 8000”, and open http://localhost:8000/ here.";
    $("error").hidden = false;
  });
}
