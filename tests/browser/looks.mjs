// What assistive technology hears and what weak eyes see.

/** Roles of what can be used; each must have a name. */
const USABLE = new Set([
  'button',
  'textbox',
  'spinbutton',
  'slider',
  'combobox',
  'listbox',
  'checkbox',
  'radio',
  'switch',
  'link',
  'searchbox',
  'progressbar',
  'image',
  'img',
  'DisclosureTriangle',
]);

/** Everything usable without an accessible name, as `role: where`. */
export async function nameless(tab) {
  const session = await tab.context().newCDPSession(tab);
  await session.send('DOM.enable');
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const found = [];
  for (const node of nodes) {
    const role = node.role?.value;
    if (node.ignored || !USABLE.has(role) || node.name?.value?.trim()) continue;
    const { node: element } = await session.send('DOM.describeNode', { backendNodeId: node.backendDOMNodeId });
    found.push(`${role}: <${element.localName} ${(element.attributes ?? []).join(' ')}>`);
  }
  await session.detach();
  return found;
}

/** What has the focus: its accessible name, its type, and whether that can be seen. */
export async function focused(tab) {
  const session = await tab.context().newCDPSession(tab);
  const { result } = await session.send('Runtime.evaluate', { expression: 'document.activeElement' });
  const { nodes } = await session.send('Accessibility.getPartialAXTree', {
    objectId: result.objectId,
    fetchRelatives: false,
  });
  await session.detach();
  const details = await tab.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    return { type: element.type ?? '', visible: ring || style.boxShadow !== 'none' };
  });
  return { name: nodes[0]?.name?.value ?? '', ...details };
}

/** Words with less contrast than 4.5 to 1 (3 to 1 when they are large), as `contrast: words`. */
export function faint(tab) {
  return tab.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    // Colours of any notation, as red, green, blue and alpha.
    const colour = (css) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = css;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
    const behind = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) layers.push(colour(getComputedStyle(at).backgroundColor));
      const dark = matchMedia('(prefers-color-scheme: dark)').matches;
      const canvasColour =
        dark && /dark/.test(getComputedStyle(document.documentElement).colorScheme) ? [18, 18, 18] : [255, 255, 255];
      return layers.reverse().reduce((below, layer) => over(layer, below), canvasColour);
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb
        .map((value) => value / 255)
        .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const words = walker.currentNode.data.trim();
      if (
        !words ||
        element.closest('script, style, noscript, option, :disabled, [aria-disabled=true], [aria-hidden=true]')
      )
        continue;
      if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const style = getComputedStyle(element);
      const below = behind(element);
      const ink = over(colour(element instanceof SVGElement ? style.fill : style.color), below);
      const [light, dark] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
      const contrast = (light + 0.05) / (dark + 0.05);
      const pixels = parseFloat(style.fontSize);
      const large = pixels >= 24 || (pixels >= 18.6 && Number(style.fontWeight) >= 700);
      if (contrast < (large ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: ${words.slice(0, 60)}`);
    }
    return [...new Set(found)];
  });
}

/** Brightness, 0 to 255, of the page's background and of its words. */
export function shades(tab) {
  return tab.evaluate(() => {
    const brightness = (css) => {
      const canvas = new OffscreenCanvas(1, 1).getContext('2d');
      canvas.fillStyle = css;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return a === 0 ? null : (r + g + b) / 3;
    };
    const [body, root] = [getComputedStyle(document.body), getComputedStyle(document.documentElement)];
    const dark = matchMedia('(prefers-color-scheme: dark)').matches && /dark/.test(root.colorScheme);
    return [
      brightness(body.backgroundColor) ?? brightness(root.backgroundColor) ?? (dark ? 18 : 255),
      brightness(body.color),
    ];
  });
}
