// Independent OAuth clients against the pages and endpoints of the sandbox's pool.
//
// openid-client and oauth4webapi sign people in; Chromium, driven by
// puppeteer-core, is their browser. The addresses and people are JSON on standard
// input. Each check writes one line of JSON to standard output: {"check", "ok",
// "why"?}. This file uses no code of usher.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { strict as assert } from 'node:assert';
import * as client from 'openid-client';
import * as oauth from 'oauth4webapi';
import puppeteer from 'puppeteer-core';

const input = JSON.parse(readFileSync(0, 'utf8'));
const scope = 'openid email';

// callback is the listener of a client on this machine. It resolves next with the
// address of the browser's return.
let next = () => {};
const callback = createServer((req, res) => {
  res.setHeader('Content-Type', 'text/html');
  res.end('<!DOCTYPE html><title>returned</title>');
  if (req.url.startsWith('/callback')) next(new URL(req.url, input.callback));
});
await new Promise((resolve) => callback.listen(new URL(input.callback).port, '127.0.0.1', resolve));

const browser = await puppeteer.launch({
  executablePath: input.chromium, headless: true, args: ['--no-sandbox', '--disable-gpu'], userDataDir: input.data, timeout: 120_000,
});

// context returns a browser without cookies.
const context = () => browser.createBrowserContext();

// visit opens an address and resolves with the return to the client.
async function visit(where, address, fill) {
  const returned = new Promise((resolve) => { next = resolve; });
  const page = await where.newPage();
  await page.goto(address.href ?? address);
  if (fill) await fill(page);
  const url = await returned;
  await page.close();
  return url;
}

const form = (name, password) => async (page) => {
  await page.type('input[name=username]', name);
  await page.type('input[name=password]', password);
  await page.click('button[type=submit]');
};

// refused runs a call that must fail with an OAuth error.
async function refused(call, error) {
  await assert.rejects(call, (err) => {
    assert.equal(err.error ?? err.cause?.error, error, String(err));
    return true;
  });
}

const insecure = { execute: [client.allowInsecureRequests] };
const config = await client.discovery(new URL(input.issuer), input.sso, undefined, client.None(), insecure);

// signIn signs a person in with openid-client.
async function signIn(where, name, extra = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const expected = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: input.callback, scope, code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    state: expected.expectedState, nonce: expected.expectedNonce, ...extra,
  });
  const url = await visit(where, address, input.people[name] && form(name, input.people[name].password));
  return { url, expected };
}

const redeem = async ({ url, expected }) => client.authorizationCodeGrant(config, url, expected);

const checks = {
  'openid-client/signs in': async () => {
    const tokens = await redeem(await signIn(await context(), 'ada', { resource: 'https://files.example.com' }));
    const claims = tokens.claims();
    assert.equal(claims.email, 'ada@example.com');
    assert.equal(tokens.token_type, 'bearer');
    const access = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
    assert.deepEqual([access.aud, access.scope, access.client_id], ['https://files.example.com', scope, input.sso]);
    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(info.email, 'ada@example.com');
  },
  'openid-client/company': async () => {
    const tokens = await redeem(await signIn(await context(), 'barbara', { identity_provider: input.provider }));
    assert.equal(tokens.claims().email, 'barbara@example.com');
  },
  'openid-client/browser session': async () => {
    const where = await context();
    await redeem(await signIn(where, 'ada'));
    const { url, expected } = await signIn(where, undefined, { prompt: 'none' });
    await redeem({ url, expected });
    await where.close();
    const silent = await signIn(await context(), undefined, { prompt: 'none' });
    await assert.rejects(redeem(silent), (err) => err.error === 'login_required');
  },
  'openid-client/code once': async () => {
    const signed = await signIn(await context(), 'ada');
    await redeem(signed);
    await refused(redeem(signed), 'invalid_grant');
  },
  'openid-client/verifier': async () => {
    const signed = await signIn(await context(), 'ada');
    signed.expected.pkceCodeVerifier = client.randomPKCECodeVerifier();
    await refused(redeem(signed), 'invalid_grant');
  },
  'openid-client/nonce': async () => {
    const signed = await signIn(await context(), 'ada');
    signed.expected.expectedNonce = client.randomNonce();
    await assert.rejects(redeem(signed), (err) => err.cause?.message !== undefined || /nonce/.test(err.message));
  },
  'openid-client/rotation': async () => {
    const first = await redeem(await signIn(await context(), 'grace'));
    const second = await client.refreshTokenGrant(config, first.refresh_token);
    assert.ok(second.refresh_token && second.refresh_token !== first.refresh_token);
    await client.refreshTokenGrant(config, second.refresh_token);
  },
  'openid-client/revocation': async () => {
    const tokens = await redeem(await signIn(await context(), 'ada'));
    await client.tokenRevocation(config, tokens.refresh_token);
    await refused(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant');
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  },
  'openid-client/logout': async () => {
    const where = await context();
    await redeem(await signIn(where, 'ada'));
    const page = await where.newPage();
    await page.goto(`${input.hosted_ui}/logout?client_id=${input.sso}&logout_uri=${encodeURIComponent(input.signed_out)}`);
    assert.equal(page.url(), input.signed_out);
    const silent = await signIn(where, undefined, { prompt: 'none' });
    await assert.rejects(redeem(silent), (err) => err.error === 'login_required');
  },
  'oauth4webapi/signs in': async () => {
    const issuer = new URL(input.issuer);
    const options = { [oauth.allowInsecureRequests]: true };
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    const self = { client_id: input.sso };
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const nonce = oauth.generateRandomNonce();
    const address = new URL(as.authorization_endpoint);
    for (const [k, v] of Object.entries({
      client_id: input.sso, redirect_uri: input.callback, response_type: 'code', scope, state, nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })) address.searchParams.set(k, v);
    const url = await visit(await context(), address, form('ada', input.people.ada.password));
    const parameters = oauth.validateAuthResponse(as, self, url, state);
    const response = await oauth.authorizationCodeGrantRequest(as, self, oauth.None(), parameters, input.callback, verifier, options);
    const tokens = await oauth.processAuthorizationCodeResponse(as, self, response, { expectedNonce: nonce, requireIdToken: true });
    const info = await oauth.processUserInfoResponse(as, self, oauth.getValidatedIdTokenClaims(tokens).sub,
      await oauth.userInfoRequest(as, self, tokens.access_token, options));
    assert.equal(info.email, 'ada@example.com');
    const renewed = await oauth.processRefreshTokenResponse(as, self,
      await oauth.refreshTokenGrantRequest(as, self, oauth.None(), tokens.refresh_token, options));
    assert.ok(renewed.access_token && renewed.refresh_token !== tokens.refresh_token);
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, self, oauth.None(), renewed.refresh_token, options));
  },
  'Chromium/page': async () => {
    const where = await context();
    const page = await where.newPage();
    const faults = [];
    page.on('pageerror', (err) => faults.push(String(err)));
    page.on('console', (m) => { if (m.type() === 'error') faults.push(m.text()); });
    await page.setViewport({ width: 320, height: 640 });
    await page.setJavaScriptEnabled(false);
    await page.goto(client.buildAuthorizationUrl(config, { redirect_uri: input.callback, scope, state: 'x', login_hint: 'ada<b>' }).href);
    assert.equal(await page.$eval('input[name=username]', (e) => e.value), 'ada<b>');
    assert.ok(await page.$eval('html', (e) => e.scrollWidth <= 320), 'the page is wider than 320 px');
    // By keyboard alone.
    await page.focus('input[name=username]');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    assert.match(await page.$eval('[role=alert]', (e) => e.textContent), /Incorrect/);
    assert.deepEqual(faults.filter((f) => !/favicon|404/.test(f)), []);
  },
};

for (const [check, run] of Object.entries(checks)) {
  let why;
  try {
    await run();
  } catch (err) {
    why = `${err.code ?? err.name}: ${err.message} ${err.cause ?? ''}`;
  }
  console.log(JSON.stringify({ check, ok: why === undefined, why }));
}
await browser.close();
callback.close();
