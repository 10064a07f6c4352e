// Independent clients against the device flow (RFC 8628) of usher's server.
//
// openid-client and oauth4webapi are the terminals; Chromium, driven by
// puppeteer-core, shows the pages of the other device. The addresses and people
// are JSON on standard input. Each check writes one line of JSON to standard
// output: {"check", "ok", "why"?}. This file uses no code of usher.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { strict as assert } from 'node:assert';
import * as client from 'openid-client';
import * as oauth from 'oauth4webapi';
import puppeteer from 'puppeteer-core';

const input = JSON.parse(readFileSync(0, 'utf8'));
const scope = 'openid email';
const challenge = async (verifier) => ({ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' });
const insecure = { [oauth.allowInsecureRequests]: true, recognizedTokenTypes: { n_a() {} } };
const self = { client_id: input.client };

// metadata describes the device flow of a server.
const metadata = ({ origin }) => ({
  issuer: origin, device_authorization_endpoint: `${origin}/v1/device/authorize`, token_endpoint: `${origin}/v1/device/token`,
});

const browser = await puppeteer.launch({
  executablePath: input.chromium, headless: true, args: ['--no-sandbox', '--disable-gpu'], userDataDir: input.data, timeout: 120_000,
});

// tabTo presses Tab until an element has the focus.
async function tabTo(page, selector) {
  for (let i = 0; i < 12; i++) {
    if (await page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not reach ${selector} on ${page.url()}`);
}

async function press(page, selector) {
  await tabTo(page, selector);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

const fits = async (page) => assert.ok(await page.$eval('html', (e) => e.scrollWidth <= 320), `${page.url()} is wider than 320 px`);

// approve plays the other device by keyboard, up to the number. Each page must fit
// 320 px.
async function approve(page, server, code) {
  await signIn(page, server, code);
  await page.waitForSelector('.number');
  await fits(page);
  const number = (await page.$eval('.number', (e) => e.textContent)).replace(/\s/g, '');
  assert.match(number, /^\d{6}$/);
  return number;
}

// approvePlain is approve at a server without numbers.
async function approvePlain(page, server, code) {
  await signIn(page, server, code);
  await page.waitForFunction(() => /Go back to your terminal/.test(document.body.textContent));
  assert.equal(await page.$('.number'), null);
  assert.doesNotMatch(await page.$eval('main', (e) => e.textContent), /\d{3}/);
}

// signIn plays the other device up to the return from the hosted UI.
async function signIn(page, server, code) {
  await page.setViewport({ width: 320, height: 640 });
  await page.goto(`${server.origin}/d`);
  await fits(page);
  await tabTo(page, 'input[name=code]');
  await page.keyboard.type(code);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  assert.match(await page.$eval('main', (e) => e.textContent), new RegExp(code));
  await fits(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.value), 'deny', 'the first button does not refuse');
  await tabTo(page, 'button[value=continue]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('input[name=password]'); // the Refresh header has led to the hosted UI
  assert.equal(new URL(page.url()).origin, server.hosted_ui);
  await tabTo(page, 'input[name=username]');
  await page.keyboard.type('ada');
  await tabTo(page, 'input[name=password]');
  await page.keyboard.type(server.password);
  await page.keyboard.press('Enter');
}

// refuse plays the other device: "Not mine".
async function refuse(uri) {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.goto(uri);
  await press(page, 'button[value=deny]');
  await page.close();
}

const fresh = async () => (await browser.createBrowserContext()).newPage();

// Terminals.

function configuration(server) {
  const config = new client.Configuration(metadata(server), input.client, undefined, client.None());
  client.allowInsecureRequests(config);
  return config;
}

async function begin(config) {
  const verifier = client.randomPKCECodeVerifier();
  const begun = await client.initiateDeviceAuthorization(config, { scope, ...await challenge(verifier) });
  assert.match(begun.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.deepEqual([begun.expires_in, begun.interval], [600, 5]);
  return begun;
}

async function fails(call, error) {
  await assert.rejects(call, (err) => {
    assert.equal(err.error ?? err.cause?.error, error, `${err} ${err.cause ?? ''}`);
    return true;
  });
}

// terminal begins with oauth4webapi, and returns its poll.
async function terminal(server) {
  const as = metadata(server);
  const verifier = oauth.generateRandomCodeVerifier();
  const response = await oauth.deviceAuthorizationRequest(as, self, oauth.None(), { scope, ...await challenge(verifier) }, insecure);
  const begun = await oauth.processDeviceAuthorizationResponse(as, self, response);
  const poll = async (parameters = {}) => oauth.processDeviceCodeResponse(as, self,
    await oauth.deviceCodeGrantRequest(as, self, oauth.None(), begun.device_code, { ...insecure, additionalParameters: parameters }), insecure);
  return { begun, poll, verifier };
}

// redeem redeems a code at the pool with the verifier that only the terminal has.
async function redeem(token, verifier, server = input.first) {
  const response = await fetch(`${server.hosted_ui}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: input.client, code: token.access_token, redirect_uri: token.redirect_uri, code_verifier: verifier,
    }),
  });
  return { status: response.status, tokens: await response.json() };
}

// later lets eleven minutes of the other server pass.
const later = async () => assert.equal((await fetch(input.later)).status, 200);

const checks = {
  'openid-client/access_denied': async () => {
    const config = configuration(input.first);
    const begun = await begin(config);
    await refuse(begun.verification_uri_complete);
    await fails(client.pollDeviceAuthorizationGrant(config, begun), 'access_denied');
  },
  'openid-client/slow_down': async () => {
    const config = configuration(input.first);
    const begun = await begin(config);
    const seen = [];
    config[client.customFetch] = async (...args) => {
      const response = await fetch(...args);
      seen.push([(await response.clone().json()).error, Date.now()]);
      return response;
    };
    // Another poll of the same terminal, right before that of openid-client.
    const early = setTimeout(() => client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:device_code', { device_code: begun.device_code }).catch(() => {}), 4000);
    await assert.rejects(client.pollDeviceAuthorizationGrant(config, begun, undefined, { signal: AbortSignal.timeout(25000) }));
    clearTimeout(early);
    const errors = seen.map(([error]) => error);
    assert.deepEqual(errors.slice(0, 3), ['authorization_pending', 'slow_down', 'authorization_pending']);
    assert.ok(seen[2][1] - seen[1][1] > 9000, 'the client does not slow down');
  },
  'openid-client/expired_token': async () => {
    const config = configuration(input.expiring);
    const begun = await begin(config);
    await later();
    await fails(client.pollDeviceAuthorizationGrant(config, begun), 'expired_token');
  },
  'oauth4webapi/access_denied': async () => {
    const { begun, poll } = await terminal(input.first);
    await fails(poll(), 'authorization_pending');
    await fails(poll(), 'slow_down');
    await refuse(begun.verification_uri_complete);
    await fails(poll(), 'access_denied');
  },
  'oauth4webapi/expired_token': async () => {
    const { poll } = await terminal(input.expiring);
    await later();
    await fails(poll(), 'expired_token');
  },
  'oauth4webapi/signs in': async () => {
    const { begun, poll, verifier } = await terminal(input.first);
    const page = await fresh();
    const number = await approve(page, input.first, begun.user_code);
    await fails(poll(), 'authorization_pending'); // nothing without the number
    await fails(poll({ confirmation: number === '000000' ? '000001' : '000000' }), 'authorization_pending');
    const token = await poll({ confirmation: number });
    assert.equal(token.token_type, 'n_a');
    assert.equal(token.issued_token_type, 'urn:usher:token-type:authorization-code');
    assert.equal(token.redirect_uri, `${input.first.origin}/d/callback`);
    assert.equal((await poll({ confirmation: number })).access_token, token.access_token); // a lost response
    const { status, tokens } = await redeem(token, verifier);
    assert.equal(status, 200);
    const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url'));
    assert.deepEqual([claims.email, claims.aud], ['ada@example.com', input.client]);
    assert.equal((await redeem(token, verifier)).tokens.error, 'invalid_grant'); // once
    await page.close();
  },
  'Chromium/without scripts': async () => {
    const page = await fresh();
    await page.setJavaScriptEnabled(false);
    const number = await approve(page, input.pages, input.codes[0]);
    const answer = await fetch(`${input.number}/0/${number}`);
    assert.equal(answer.status, 200, await answer.text()); // usher's own terminal is signed in
    await page.close();
  },
  'Chromium/policy': async () => {
    const page = await fresh();
    const faults = [];
    page.on('pageerror', (err) => faults.push(String(err)));
    page.on('console', (m) => { if (m.type() === 'error') faults.push(m.text()); });
    await page.exposeFunction('violated', (directive) => faults.push(directive));
    await page.evaluateOnNewDocument(() => {
      document.addEventListener('securitypolicyviolation', (e) => window.violated(e.violatedDirective));
    });
    const number = await approve(page, input.pages, input.codes[1]);
    assert.deepEqual(faults.filter((f) => !/favicon|404/.test(f)), []);
    // The control: a violation is noticed.
    await page.evaluate(() => document.body.setAttribute('style', 'color: red'));
    await page.waitForFunction(() => true);
    for (let i = 0; i < 100 && !faults.some((f) => /style-src/.test(f)); i++) await new Promise((r) => { setTimeout(r, 50); });
    assert.ok(faults.some((f) => /style-src/.test(f)), 'a planted violation is not noticed');
    const answer = await fetch(`${input.number}/1/${number}`);
    assert.equal(answer.status, 200, await answer.text());
    await page.close();
  },
  'Chromium/framing': async () => {
    const outer = createServer((req, res) => {
      res.setHeader('Content-Type', 'text/html');
      res.end(req.url === '/inner' ? '<!DOCTYPE html><p>inner' : `<!DOCTYPE html><iframe src="${input.pages.origin}/d"></iframe><iframe src="/inner"></iframe>`);
    });
    await new Promise((resolve) => outer.listen(0, '127.0.0.1', resolve));
    const page = await fresh();
    try {
      await page.goto(`http://127.0.0.1:${outer.address().port}/`);
      const texts = await Promise.all(page.frames().slice(1).map((f) => f.evaluate(() => document.body.textContent.trim())));
      assert.equal(texts.length, 2);
      assert.ok(!texts.some((text) => /your terminal shows/.test(text)), 'the page is framed');
      assert.ok(texts.includes('inner'), 'the control, a page without the header, is not framed');
      await page.goto(`${input.pages.origin}/d`);
      assert.match(await page.$eval('main', (e) => e.textContent), /your terminal shows/); // the text exists
    } finally {
      outer.closeAllConnections();
      outer.close();
      await page.close();
    }
  },
  'oauth4webapi/plain': async () => {
    // A server with number: false is plain RFC 8628: no parameter and no field of usher.
    const { begun, poll, verifier } = await terminal(input.plain);
    assert.deepEqual(Object.keys(begun).sort(), ['device_code', 'expires_in', 'interval', 'user_code', 'verification_uri', 'verification_uri_complete']);
    await assert.rejects(poll(), (err) => {
      assert.deepEqual(Object.keys(err.cause), ['error']);
      assert.equal(err.error, 'authorization_pending');
      return true;
    });
    const page = await fresh();
    await approvePlain(page, input.plain, begun.user_code);
    let token;
    for (let i = 0; i < 5 && !token; i++) { // each early poll costs five seconds
      await new Promise((r) => { setTimeout(r, begun.interval * 1000); });
      token = await poll().catch((err) => { assert.match(err.error, /^(authorization_pending|slow_down)$/); });
    }
    const { status, tokens } = await redeem(token, verifier, input.plain);
    assert.deepEqual([status, typeof tokens.refresh_token], [200, 'string']);
    await page.close();
  },
  'openid-client/plain': async () => {
    // Its own loop polls to the success, of a type that it does not support.
    const config = configuration(input.plain);
    const begun = await begin(config);
    const page = await fresh();
    await approvePlain(page, input.plain, begun.user_code);
    await assert.rejects(client.pollDeviceAuthorizationGrant(config, begun), (err) => {
      assert.match(`${err.code} ${err.cause?.code ?? ''} ${err.message}`, /UNSUPPORTED_OPERATION|unsupported/i);
      return true;
    });
    await page.close();
  },
  'openid-client/token type': async () => {
    // openid-client supports two token types alone: it reaches the success, which
    // it does not return.
    const config = configuration(input.third);
    const begun = await begin(config);
    const page = await fresh();
    const number = await approve(page, input.third, begun.user_code);
    await assert.rejects(client.pollDeviceAuthorizationGrant(config, begun, { confirmation: number }), (err) => {
      assert.match(`${err.code} ${err.cause?.code ?? ''} ${err.message}`, /UNSUPPORTED_OPERATION|unsupported/i);
      return true;
    });
    await page.close();
  },
};

async function run(check) {
  let why;
  try {
    await checks[check]();
  } catch (err) {
    why = `${err.code ?? err.name}: ${err.message} ${err.cause ?? ''}`;
  }
  console.log(JSON.stringify({ check, ok: why === undefined, why }));
}

// A server's time passes for all of its requests: these two follow each other.
const expiry = (async () => {
  await run('openid-client/expired_token');
  await run('oauth4webapi/expired_token');
})();
const waiting = run('openid-client/slow_down');
for (const check of Object.keys(checks)) {
  if (!/expired|slow_down/.test(check)) await run(check);
}
await Promise.all([expiry, waiting]);
await browser.close();
process.exit(0); // timers of clients may be left
