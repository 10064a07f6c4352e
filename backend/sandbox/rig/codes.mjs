// amazon-cognito-identity-js against a user pool that remembers devices and sends
// codes.
//
// The pools and people are JSON on standard input. Each check writes one line of
// JSON to standard output: {"check", "ok", "why"?}. This file uses no code of
// usher.

import { readFileSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { AuthenticationDetails, CognitoUser, CognitoUserPool } from 'amazon-cognito-identity-js';

const { pools } = JSON.parse(readFileSync(0, 'utf8'));
const { devices: pool } = pools;

// browser returns the localStorage of one browser.
function browser() {
  const items = new Map();
  return {
    getItem: (k) => items.get(k) ?? null,
    setItem: (k, v) => items.set(k, v),
    removeItem: (k) => items.delete(k),
    clear: () => items.clear(),
  };
}

// person returns a person in a browser.
function person(name, Storage = browser()) {
  const Pool = new CognitoUserPool({ UserPoolId: pool.user_pool_id, ClientId: pool.client_id, endpoint: pool.endpoint, Storage });
  return new CognitoUser({ Username: name, Pool, Storage });
}

// step starts an operation and resolves to its result.
const step = (start) => new Promise((resolve, reject) => start({
  onSuccess: () => resolve('session'),
  onFailure: reject,
  mfaRequired: () => resolve('sms'),
  totpRequired: () => resolve('totp'),
  selectMFAType: () => resolve('choice'),
  customChallenge: () => resolve('custom'),
}));

const password = (user, Password) => step((cb) =>
  user.authenticateUser(new AuthenticationDetails({ Username: user.getUsername(), Password }), cb));
const code = (user, digits) => step((cb) => user.sendMFACode(digits, cb, 'SMS_MFA'));

// mailed returns the last code that the pool sent to a person.
async function mailed(name) {
  const { code: digits } = await (await fetch(`${pool.mail}?name=${name}`)).json();
  return digits;
}

const devices = (user) => new Promise((resolve, reject) =>
  user.listDevices(10, null, { onSuccess: (list) => resolve(list.Devices), onFailure: reject }));

async function refused(call, name) {
  await assert.rejects(call, (err) => {
    assert.equal(err.code ?? err.name, name, err.message);
    return true;
  });
}

const checks = {
  'sms/code': async () => {
    const user = person('mary');
    assert.equal(await password(user, pool.people.mary.password), 'sms');
    await refused(code(user, '000000'), 'CodeMismatchException');
    assert.equal(await code(user, await mailed('mary')), 'session');
  },
  'device/replaces the second factor': async () => {
    const where = browser();
    const user = person('hedy', where);
    assert.equal(await password(user, pool.people.hedy.password), 'sms');
    assert.equal(await code(user, await mailed('hedy')), 'session');
    assert.equal((await devices(user)).length, 1);
    const sent = await mailed('hedy');
    assert.equal(await password(person('hedy', where), pool.people.hedy.password), 'session'); // DEVICE_SRP_AUTH
    assert.equal(await mailed('hedy'), sent);
    assert.equal(await password(person('hedy'), pool.people.hedy.password), 'sms'); // another browser
  },
  'device/forgotten': async () => {
    const where = browser();
    const user = person('rosa', where);
    assert.equal(await password(user, pool.people.rosa.password), 'sms');
    assert.equal(await code(user, await mailed('rosa')), 'session');
    await new Promise((onSuccess, onFailure) => user.forgetDevice({ onSuccess, onFailure }));
    assert.equal(await password(person('rosa', where), pool.people.rosa.password), 'sms');
  },
  'forgot/new password': async () => {
    const user = person('ada');
    const delivery = await new Promise((resolve, onFailure) =>
      user.forgotPassword({ onSuccess: resolve, onFailure, inputVerificationCode: resolve }));
    assert.equal(delivery.CodeDeliveryDetails.Destination, 'a***@e***');
    const confirm = (digits, text) => new Promise((onSuccess, onFailure) => user.confirmPassword(digits, text, { onSuccess, onFailure }));
    await refused(confirm('000000', 'Judged-Horse-9'), 'CodeMismatchException');
    await refused(confirm(await mailed('ada'), 'short'), 'InvalidPasswordException');
    await confirm(await mailed('ada'), 'Judged-Horse-9');
    await refused(password(person('ada'), pool.people.ada.password), 'NotAuthorizedException');
    assert.equal(await password(person('ada'), 'Judged-Horse-9'), 'session');
  },
  'forgot/unknown person': async () => {
    const user = person('nobody');
    const delivery = await new Promise((resolve, onFailure) =>
      user.forgotPassword({ onSuccess: resolve, onFailure, inputVerificationCode: resolve }));
    assert.match(delivery.CodeDeliveryDetails.Destination, /^[a-z]\*\*\*@[a-z]\*\*\*$/);
  },
};

for (const [check, run] of Object.entries(checks)) {
  let why;
  try {
    await run();
  } catch (err) {
    why = `${err?.code ?? err?.name}: ${err?.message ?? err}`;
  }
  console.log(JSON.stringify({ check, ok: why === undefined, why }));
}
process.exit(0);
