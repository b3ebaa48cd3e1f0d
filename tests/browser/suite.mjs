// What every file of tests begins with: one server, one browser, and a fresh visitor for every claim.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LIMIT, launch, screenshot } from './browser.mjs';
import { Page } from './page.mjs';
import { serveSite } from './site.mjs';

/** What the browser itself logs when a request fails, which a page cannot keep quiet. */
export const NETWORK = /Failed to load resource|net::ERR_|CORS policy/;

/**
 * A subject with its own browser: `suite(subject, usual?, tests)`. `tests` is given a suite whose
 * `claim(words, options?, body)` runs `body({ server, visitor, browser, open })` as a visitor with an empty cache.
 * `open(parameters, path)` opens the page in a new tab, with `usual` parameters where no others are given.
 *
 * Options: `screen`, `dark`, and `loud`: patterns of errors that may be logged. Whatever happens, no request may leave this
 * machine; when a claim fails, a screenshot of every tab is kept.
 */
export function suite(subject, ...rest) {
  const [tests, usual = {}] = rest.reverse();
  describe(subject, () => {
    const shared = { server: null, browser: null, usual };
    before(async () => {
      shared.server = await serveSite();
      shared.browser = await launch();
    });
    after(async () => {
      await shared.browser?.close();
      await shared.server?.close();
    });

    let count = 0;
    shared.claim = (words, options, body) => {
      const name = `failed-${subject}-${(count += 1)}`.replaceAll(/\W+/g, '-');
      it(words, { timeout: 3 * LIMIT.sampled }, () => visit(shared, name, body ? options : {}, body ?? options));
    };
    tests(shared);
  });
}

async function visit({ server, browser, usual }, name, { loud = [], ...options }, body) {
  server.clear();
  const visitor = await browser.visitor(options);
  const open = (wanted = {}, path = '/') => {
    const parameters = typeof wanted === 'string' ? wanted : { ...usual, ...wanted };
    return Page.open(visitor, server, parameters, path);
  };
  try {
    await body({ server, visitor, browser, open });
    visitor.assertStayedHome();
    visitor.assertQuiet(...loud);
  } catch (error) {
    for (const [i, tab] of visitor.context.pages().entries()) {
      await screenshot(tab, `${name}-${i}`).catch(() => {});
    }
    if (visitor.errors.length > 0) error.message += `\nlogged: ${visitor.errors.join('\n        ')}`;
    throw error;
  } finally {
    await visitor.leave();
  }
}

/** Words that a visitor must find in a sentence: all of them. */
export function assertSays(sentence, ...patterns) {
  for (const pattern of patterns) assert.match(sentence, pattern);
  assert.doesNotMatch(sentence, /undefined|\[object|JsValue|panicked|Option::|Err\(/, 'words for people');
}
