// Loads the engine into its worker. A worker's messages are delivered as soon as this script is through, long before the engine
// is compiled and listens, so they are kept for it. An engine that cannot be loaded is reported as lost, in the words of the
// page's protocol.
const early = [];
const keep = (event) => early.push(event);
const lost = (error) => {
  const body = { Lost: `The engine could not be loaded: ${error}. Check the connection, or try a newer browser.` };
  self.postMessage([JSON.stringify({ request: 0, body })]);
};
self.addEventListener("message", keep);
try {
  importScripts(`./engine.js${self.location.search}`);
  wasm_bindgen({ module_or_path: `./engine_bg.wasm${self.location.search}` }).then(() => {
    self.removeEventListener("message", keep);
    for (const { data, ports } of early) {
      self.dispatchEvent(new MessageEvent("message", { data, ports: [...ports] }));
    }
  }, lost);
} catch (error) {
  lost(error);
}
