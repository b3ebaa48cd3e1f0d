// Starts the page's program, and says so on the first paint when that fails. Its own address names the program's files, whose
// names change with every build, so that no script has to stand in the page itself.
const files = new URL(import.meta.url).searchParams;
const address = (name) => new URL(files.get(name), import.meta.url).href;
try {
  // The engine's address carries the same name, so that a cached engine of another build is not taken.
  document.documentElement.dataset.version = files.get("wasm");
  const program = await import(address("js"));
  await program.default({ module_or_path: address("wasm") });
} catch (error) {
  const boot = document.getElementById("boot");
  if (boot) {
    boot.setAttribute("role", "alert");
    boot.className = "alert bad";
    boot.textContent =
      `The page's program could not be started: ${error}. Reload the page; if that does not help, try a newer browser.`;
  }
  throw error;
}
