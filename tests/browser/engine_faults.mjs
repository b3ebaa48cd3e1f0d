// What a visitor's browser may lack or break, put into the engine's worker in front of its own script.

/** The scripts that the engine's worker may begin with. */
export const ENGINE_SCRIPT = /engine[^/]*\.js$/;

/**
 * @typedef {object} Breakage
 * @property {'absent' | 'no-adapter' | 'no-device'} [gpu] No `navigator.gpu`; no adapter; a device is refused.
 * @property {string[]} [withoutFeatures] Features that the adapter and its devices do not have.
 * @property {Record<string, number>} [limits] Limits that the adapter does not go beyond.
 * @property {'absent' | 'full'} [storage] No `navigator.storage.getDirectory` and no `caches`; or nothing can be written.
 * @property {number} [destroyAtSubmit] Destroy the device when this many command buffers have been submitted.
 */

/** Breaks the engine of every page that this server serves from now on. */
export function breakEngine(server, /** @type {Breakage} */ breakage) {
  server.fault(ENGINE_SCRIPT, { replace: (script) => `${prelude(breakage)}\n${script}` });
  // A page that checks the hashes of its scripts would refuse the changed one.
  server.fault(/(\/|\.html)$/, { replace: (page) => page.toString().replaceAll(/\sintegrity="[^"]*"/g, '') });
}

/**
 * Says a word to the engines of all pages: `destroy` the device now, or `trap`: WebAssembly fails at the next look at the
 * clock.
 */
export async function tellEngine(page, word) {
  await page.evaluate((word) => {
    const channel = new BroadcastChannel('mtdit-test');
    channel.postMessage(word);
    channel.close();
  }, word);
}

/** The code that does it, for a worker; it does nothing when it is there twice. */
export function prelude(breakage) {
  return `if (!self.mtditBroken) { self.mtditBroken = true; (${breakWorker})(${JSON.stringify(breakage)}); }`;
}

/** Runs in the worker, so it may use nothing from outside itself. */
function breakWorker(breakage) {
  const full = () => new DOMException('The test says that the disk is full.', 'QuotaExceededError');
  const replace = (prototype, name, make) => {
    const original = prototype?.[name];
    if (original) prototype[name] = make(original);
  };

  if (breakage.gpu === 'absent') {
    Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined, configurable: true });
  } else if (self.GPU) {
    if (breakage.gpu === 'no-adapter') self.GPU.prototype.requestAdapter = async () => null;
    breakAdapter();
  }
  if (breakage.storage === 'absent') {
    Object.defineProperty(StorageManager.prototype, 'getDirectory', { value: undefined });
    Object.defineProperty(self, 'caches', { value: undefined });
  } else if (breakage.storage === 'full') {
    const fails = () => () => {
      throw full();
    };
    const rejects = () => async () => {
      throw full();
    };
    replace(self.FileSystemSyncAccessHandle?.prototype, 'write', fails);
    replace(self.FileSystemSyncAccessHandle?.prototype, 'truncate', fails);
    replace(self.FileSystemWritableFileStream?.prototype, 'write', rejects);
    replace(self.Cache?.prototype, 'put', rejects);
  }

  const devices = [];
  let submits = 0;
  function breakAdapter() {
    replace(
      self.GPUAdapter.prototype,
      'requestDevice',
      (requestDevice) =>
        async function (descriptor) {
          if (breakage.gpu === 'no-device') throw new DOMException('The test says no.', 'OperationError');
          const device = await requestDevice.call(this, descriptor);
          devices.push(device);
          return device;
        },
    );
    replace(
      self.GPUQueue.prototype,
      'submit',
      (submit) =>
        function (buffers) {
          submits += 1;
          if (submits === breakage.destroyAtSubmit) devices.forEach((device) => device.destroy());
          return submit.call(this, buffers);
        },
    );
    const hidden = breakage.withoutFeatures ?? [];
    if (hidden.length > 0) {
      replace(
        self.GPUSupportedFeatures.prototype,
        'has',
        (has) =>
          function (name) {
            return !hidden.includes(name) && has.call(this, name);
          },
      );
      const values = self.GPUSupportedFeatures.prototype.values;
      const shown = function* () {
        for (const name of values.call(this)) if (!hidden.includes(name)) yield name;
      };
      for (const name of ['values', 'keys', Symbol.iterator]) self.GPUSupportedFeatures.prototype[name] = shown;
    }
    for (const [name, most] of Object.entries(breakage.limits ?? {})) {
      const { get } = Object.getOwnPropertyDescriptor(self.GPUSupportedLimits.prototype, name);
      Object.defineProperty(self.GPUSupportedLimits.prototype, name, {
        get() {
          return Math.min(most, get.call(this));
        },
      });
    }
  }

  const channel = new BroadcastChannel('mtdit-test');
  channel.onmessage = ({ data }) => {
    if (data === 'destroy') devices.forEach((device) => device.destroy());
    if (data === 'trap') {
      performance.now = () => {
        throw new WebAssembly.RuntimeError('unreachable');
      };
    }
  };
}
