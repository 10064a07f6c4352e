// Amazon's clients for JavaScript against the sandbox's user pools.
//
// amazon-cognito-identity-js signs people in, aws-jwt-verify verifies their
// tokens, and otpauth is their authenticator app. The pools and people are JSON
// on standard input. Each check writes one line of JSON to standard output:
// {"check", "ok", "why"?}. This file uses no code of usher.

import { readFileSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { AuthenticationDetails, CognitoRefreshToken, CognitoUser, CognitoUserPool } from 'amazon-cognito-identity-js';
import { JwtVerifier } from 'aws-jwt-verify';
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier';
import { JwtExpiredError, JwtInvalidSignatureError } from 'aws-jwt-verify/error';
import { Secret, TOTP } from 'otpauth';

const { pools } = JSON.parse(readFileSync(0, 'utf8'));

// storage returns a browser's localStorage for one person on one device.
function storage() {
  const items = new Map();
  return {
    getItem: (k) => items.get(k) ?? null,
    setItem: (k, v) => items.set(k, v),
    removeItem: (k) => items.delete(k),
    clear: () => items.clear(),
  };
}

// device returns a person on a new device, not signed in.
function device(pool, name) {
  const Storage = storage();
  const Pool = new CognitoUserPool({ UserPoolId: pool.user_pool_id, ClientId: pool.client_id, endpoint: pool.endpoint, Storage });
  return new CognitoUser({ Username: name, Pool, Storage });
}

// step starts an operation and resolves to its result: a session or the kind of a
// challenge.
function step(start) {
  return new Promise((resolve, reject) => start({
    onSuccess: (session) => resolve({ kind: 'session', session }),
    onFailure: reject,
    newPasswordRequired: () => resolve({ kind: 'new password' }),
    totpRequired: () => resolve({ kind: 'totp' }),
    mfaSetup: () => resolve({ kind: 'set-up' }),
    mfaRequired: () => resolve({ kind: 'sms' }),
  }));
}

const password = (user, Password) => step((cb) =>
  user.authenticateUser(new AuthenticationDetails({ Username: user.getUsername(), Password }), cb));
const code = (user, digits) => step((cb) => user.sendMFACode(digits, cb, 'SOFTWARE_TOKEN_MFA'));
const promise = (start) => new Promise((resolve, reject) => start((err, result) => (err ? reject(err) : resolve(result))));
const callbacks = (start) => new Promise((onSuccess, onFailure) => start({ onSuccess, onFailure }));
const refresh = (user, token) => promise((cb) => user.refreshSession(token, cb));
const userData = (user) => promise((cb) => user.getUserData(cb, { bypassCache: true }));

// app returns an authenticator app. at returns its code, ahead steps in the future.
const app = (secret) => ({
  at: (ahead = 0) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + ahead * 30_000 }),
});

async function session(pool, name) {
  const user = device(pool, name);
  const end = await password(user, pool.people[name].password);
  assert.equal(end.kind, 'session');
  return { user, session: end.session };
}

// tokens returns the session of an earlier sign-in, or of a new one.
const sessions = new Map();
async function tokens(pool, name) {
  const id = `${pool.issuer} ${name}`;
  if (!sessions.has(id)) sessions.set(id, (await session(pool, name)).session);
  return sessions.get(id);
}

async function refused(call, name, words) {
  await assert.rejects(call, (err) => {
    assert.equal(err.code ?? err.name, name, err.message);
    if (words) assert.match(err.message, words);
    return true;
  });
}

// verifier returns Amazon's verifier for one type of token of one pool.
async function verifier(pool, tokenUse, clientId = pool.client_id) {
  const jwksUri = `${pool.issuer}/.well-known/jwks.json`;
  const v = JwtVerifier.create({
    issuer: pool.issuer,
    audience: null, // an access token has none; validateCognitoJwtFields checks client_id or aud
    jwksUri,
    customJwtCheck: ({ payload }) => validateCognitoJwtFields(payload, { tokenUse, clientId }),
  });
  v.cacheJwks(await (await fetch(jwksUri)).json());
  return v;
}

// forged returns a token with changed claims and the original signature.
function forged(token, change) {
  const [head, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  change(claims);
  return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

const { sandbox, plain, mfa, brief } = pools;
const checks = {
  'srp/signs in': async () => {
    const { session: s } = await session(sandbox, 'ada');
    assert.ok(s.isValid());
    assert.equal(s.getAccessToken().payload.username, 'ada');
  },
  'srp/signs in repeatedly': async () => {
    for (let i = 0; i < 6; i++) await session(plain, 'ada'); // each with new secrets on both sides
  },
  'srp/wrong password': () => refused(password(device(sandbox, 'ada'), 'Wrong-Password-1'),
    'NotAuthorizedException', /^Incorrect username or password\.$/),
  'srp/unknown person': () => refused(password(device(sandbox, 'nobody'), 'Wrong-Password-1'),
    'NotAuthorizedException', /^Incorrect username or password\.$/),
  'srp/unknown client': () => refused(password(device({ ...sandbox, client_id: '1nobodys0client' }, 'ada'), sandbox.people.ada.password),
    'ResourceNotFoundException'),

  'new password/is required and set': async () => {
    const { people } = sandbox;
    const user = device(sandbox, 'edsger');
    assert.equal((await password(user, people.edsger.password)).kind, 'new password');
    const end = await step((cb) => user.completeNewPasswordChallenge('Quite-Another-7', {}, cb));
    assert.equal(end.kind, 'session');
    assert.equal((await password(device(sandbox, 'edsger'), 'Quite-Another-7')).kind, 'session');
    await refused(password(device(sandbox, 'edsger'), people.edsger.password), 'NotAuthorizedException');
  },
  'new password/too weak': async () => {
    const user = device(plain, 'edsger');
    assert.equal((await password(user, plain.people.edsger.password)).kind, 'new password');
    await refused(step((cb) => user.completeNewPasswordChallenge('short', {}, cb)), 'InvalidPasswordException');
  },
  'new password/wrong temporary one': () => refused(password(device(plain, 'edsger'), 'Wrong-Password-1'), 'NotAuthorizedException'),

  'totp/requires a code': async () => {
    const { password: secretWord, totp_secret: secret } = sandbox.people.alan;
    const user = device(sandbox, 'alan');
    assert.equal((await password(user, secretWord)).kind, 'totp');
    const digits = app(secret).at();
    assert.equal((await code(user, digits)).kind, 'session');

    const thief = device(sandbox, 'alan');
    assert.equal((await password(thief, secretWord)).kind, 'totp');
    await assert.rejects(code(thief, digits), /already been used|Invalid code/); // a code is valid once
  },
  'totp/wrong code': async () => {
    const { password: secretWord, totp_secret: secret } = plain.people.alan;
    const user = device(plain, 'alan');
    assert.equal((await password(user, secretWord)).kind, 'totp');
    const right = app(secret).at();
    await refused(code(user, right === '000000' ? '111111' : '000000'), 'CodeMismatchException');
  },
  'totp/set up at sign-in': async () => {
    const user = device(mfa, 'ada');
    assert.equal((await password(user, mfa.people.ada.password)).kind, 'set-up');
    const secret = await new Promise((associateSecretCode, onFailure) => user.associateSoftwareToken({ associateSecretCode, onFailure }));
    const first = await callbacks((cb) => user.verifySoftwareToken(app(secret).at(), 'phone', cb));
    assert.ok(first.isValid());
    const again = device(mfa, 'ada');
    assert.equal((await password(again, mfa.people.ada.password)).kind, 'totp');
    assert.equal((await code(again, app(secret).at(1))).kind, 'session');
  },
  'totp/set up later': async () => {
    const { user } = await session(plain, 'dorothy');
    const secret = await new Promise((associateSecretCode, onFailure) => user.associateSoftwareToken({ associateSecretCode, onFailure }));
    await callbacks((cb) => user.verifySoftwareToken(app(secret).at(), 'phone', cb));
    await promise((cb) => user.setUserMfaPreference(null, { PreferredMfa: true, Enabled: true }, cb));
    const again = device(plain, 'dorothy');
    assert.equal((await password(again, plain.people.dorothy.password)).kind, 'totp');
    assert.equal((await code(again, app(secret).at(1))).kind, 'session');
  },

  'refresh/returns new tokens': async () => {
    const { user, session: old } = await session(plain, 'ada');
    const renewed = await refresh(user, old.getRefreshToken());
    const [was, is] = [old.getAccessToken().payload, renewed.getAccessToken().payload];
    assert.equal(is.sub, was.sub);
    assert.equal(is.origin_jti, was.origin_jti);
    assert.notEqual(is.jti, was.jti);
    await (await verifier(plain, 'access')).verify(renewed.getAccessToken().getJwtToken());
  },
  'refresh/is refused with rotation': async () => {
    // With rotation, Cognito accepts only GetTokensFromRefreshToken, which this
    // client does not support.
    const { user, session: s } = await session(sandbox, 'ada');
    await refused(refresh(user, s.getRefreshToken()), 'InvalidParameterException');
  },
  'refresh/invented token': async () => {
    const { user } = await session(plain, 'ada');
    await refused(refresh(user, new CognitoRefreshToken({ RefreshToken: 'made-up' })), 'NotAuthorizedException');
  },
  'refresh/is refused after a sign-out': async () => {
    const { user, session: s } = await session(plain, 'ada');
    const token = s.getRefreshToken();
    await promise((cb) => user.signOut(cb)); // revokes the refresh token
    await refused(refresh(device(plain, 'ada'), token), 'NotAuthorizedException', /revoked/i);
  },

  'global sign-out/ends every session': async () => {
    const here = await session(plain, 'grace');
    const there = await session(plain, 'grace');
    await userData(there.user);
    await callbacks((cb) => here.user.globalSignOut(cb));
    await refused(userData(there.user), 'NotAuthorizedException', /revoked/i);
    await refused(refresh(there.user, there.session.getRefreshToken()), 'NotAuthorizedException', /revoked/i);
    await session(plain, 'grace'); // a new sign-in is still possible
  },

  'tokens/person': async () => {
    const { user, session: s } = await session(sandbox, 'ada');
    const data = await userData(user);
    const attributes = Object.fromEntries(data.UserAttributes.map((a) => [a.Name, a.Value]));
    assert.equal(data.Username, 'ada');
    assert.equal(attributes.sub, s.getAccessToken().payload.sub);
    assert.equal(attributes.email, s.getIdToken().payload.email);
  },
  'tokens/access token': async () => {
    const s = await tokens(sandbox, 'grace');
    const claims = await (await verifier(sandbox, 'access')).verify(s.getAccessToken().getJwtToken());
    assert.deepEqual([...claims['cognito:groups']].sort(), sandbox.people.grace.groups);
    assert.equal(claims.scope, 'aws.cognito.signin.user.admin');
    for (const name of ['sub', 'origin_jti', 'jti', 'auth_time', 'username', 'event_id']) assert.ok(claims[name], name);
  },
  'tokens/ID token': async () => {
    const s = await tokens(sandbox, 'grace');
    const claims = await (await verifier(sandbox, 'id')).verify(s.getIdToken().getJwtToken());
    assert.equal(claims.aud, sandbox.client_id);
    assert.equal(claims['cognito:username'], 'grace');
    assert.equal(claims.email, 'grace@example.com');
  },
  'tokens/types are distinct': async () => {
    const s = await tokens(sandbox, 'grace');
    await assert.rejects((await verifier(sandbox, 'access')).verify(s.getIdToken().getJwtToken()), /token.?use/i);
    await assert.rejects((await verifier(sandbox, 'access', '1another0client')).verify(s.getAccessToken().getJwtToken()), /client/i);
    await assert.rejects((await verifier(sandbox, 'access')).verify((await tokens(plain, 'ada')).getAccessToken().getJwtToken()));
  },
  'tokens/forged': async () => {
    const s = await tokens(sandbox, 'grace');
    const v = await verifier(sandbox, 'access');
    const token = s.getAccessToken().getJwtToken();
    for (const change of [
      (c) => { c['cognito:groups'] = ['usher-admins']; },
      (c) => { c.exp += 3600; },
      (c) => { c.sub = '00000000-0000-4000-8000-000000000000'; },
    ]) await assert.rejects(v.verify(forged(token, change)), JwtInvalidSignatureError);
  },
  'tokens/expired': async () => {
    const { session: s } = await session(brief, 'ada');
    const v = await verifier(brief, 'access');
    const token = s.getAccessToken();
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      if (Date.now() / 1000 > token.getExpiration() + 1) break;
      await new Promise((r) => setTimeout(r, 100));
    }
    await assert.rejects(v.verify(token.getJwtToken()), JwtExpiredError);
  },
  'jwks/two RSA keys': async () => {
    const { keys } = await (await fetch(`${sandbox.issuer}/.well-known/jwks.json`)).json();
    const s = await tokens(sandbox, 'grace');
    const kid = (t) => JSON.parse(Buffer.from(t.getJwtToken().split('.')[0], 'base64url')).kid;
    assert.deepEqual(keys.map((k) => k.kid).sort(), [kid(s.getAccessToken()), kid(s.getIdToken())].sort());
    for (const k of keys) {
      assert.deepEqual([k.kty, k.alg, k.use, Buffer.from(k.n, 'base64url').length], ['RSA', 'RS256', 'sig', 256]);
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.ok(!(secret in k), `the key set contains ${secret}`);
    }
  },
};

for (const [check, run] of Object.entries(checks)) {
  let why;
  try {
    await run();
  } catch (err) {
    why = `${err.code ?? err.name}: ${err.message}`;
  }
  console.log(JSON.stringify({ check, ok: why === undefined, why }));
}
