// AWS Amplify against the sandbox's user pools: codes, rotation and remembered
// devices.
//
// The pools and people are JSON on standard input. Each check writes one line of
// JSON to standard output: {"check", "ok", "why"?}. This file uses no code of
// usher.

import { readFileSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { Amplify } from 'aws-amplify';
import { confirmSignIn, fetchAuthSession, fetchDevices, signIn, signOut } from 'aws-amplify/auth';

// Amplify names a device after navigator.userAgent. Without a navigator (node 20)
// it drops the device key, and a pool that remembers devices refuses the renewal.
globalThis.navigator ??= { userAgent: 'rig' };

const { pools } = JSON.parse(readFileSync(0, 'utf8'));

// use selects the pool of the calls that follow.
function use(pool) {
  Amplify.configure({ Auth: { Cognito: {
    userPoolId: pool.user_pool_id, userPoolClientId: pool.client_id, userPoolEndpoint: pool.endpoint,
  } } });
}

// mailed returns the last code that the pool sent to a person.
async function mailed(pool, name) {
  const { code } = await (await fetch(`${pool.mail}?name=${name}`)).json();
  return code;
}

// start begins a sign-in and returns the name of its next step.
async function start(pool, name, options = { authFlowType: 'USER_SRP_AUTH' }) {
  use(pool);
  const password = options.authFlowType === 'USER_AUTH' ? undefined : pool.people[name].password;
  return (await signIn({ username: name, password, options })).nextStep;
}

const answer = async (challengeResponse) => (await confirmSignIn({ challengeResponse })).nextStep.signInStep;
const renewed = async () => (await fetchAuthSession({ forceRefresh: true })).tokens?.accessToken.toString();

async function refused(call, name) {
  await assert.rejects(call, (err) => {
    assert.equal(err.name, name, err.message);
    return true;
  });
}

const { codes, devices } = pools;
const checks = {
  'rotation/renews': async () => {
    assert.equal((await start(codes, 'ada')).signInStep, 'DONE');
    const first = (await fetchAuthSession()).tokens.accessToken.toString();
    const second = await renewed();
    const third = await renewed();
    assert.ok(second && third);
    assert.equal(new Set([first, second, third]).size, 3);
  },
  'codes/by mail': async () => {
    const step = await start(codes, 'joan');
    assert.equal(step.signInStep, 'CONFIRM_SIGN_IN_WITH_EMAIL_CODE');
    assert.equal(step.codeDeliveryDetails.destination, 'j***@e***');
    await refused(answer('000000'), 'CodeMismatchException');
    assert.equal(await answer(await mailed(codes, 'joan')), 'DONE');
    assert.ok(await renewed());
  },
  'codes/by SMS': async () => {
    const step = await start(codes, 'mary');
    assert.equal(step.signInStep, 'CONFIRM_SIGN_IN_WITH_SMS_CODE');
    assert.equal(await answer(await mailed(codes, 'mary')), 'DONE');
  },
  'codes/choice of the second factor': async () => {
    const step = await start(codes, 'hedy');
    assert.equal(step.signInStep, 'CONTINUE_SIGN_IN_WITH_MFA_SELECTION');
    assert.deepEqual([...step.allowedMFATypes].sort(), ['EMAIL', 'SMS']);
    assert.equal(await answer('EMAIL'), 'CONFIRM_SIGN_IN_WITH_EMAIL_CODE');
    assert.equal(await answer(await mailed(codes, 'hedy')), 'DONE');
  },
  'codes/without a password': async () => {
    const step = await start(codes, 'ada', { authFlowType: 'USER_AUTH' });
    assert.equal(step.signInStep, 'CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION');
    assert.ok(step.availableChallenges.includes('EMAIL_OTP'));
    assert.equal(await answer('EMAIL_OTP'), 'CONFIRM_SIGN_IN_WITH_EMAIL_CODE');
    const code = await mailed(codes, 'ada');
    assert.match(code, /^\d{8}$/);
    assert.equal(await answer(code), 'DONE');
  },
  'codes/preferred': async () => {
    const step = await start(codes, 'ada', { authFlowType: 'USER_AUTH', preferredChallenge: 'EMAIL_OTP' });
    assert.equal(step.signInStep, 'CONFIRM_SIGN_IN_WITH_EMAIL_CODE');
    assert.equal(await answer(await mailed(codes, 'ada')), 'DONE');
  },
  'devices/renews': async () => {
    assert.equal((await start(devices, 'joan')).signInStep, 'CONFIRM_SIGN_IN_WITH_EMAIL_CODE');
    assert.equal(await answer(await mailed(devices, 'joan')), 'DONE');
    assert.equal((await fetchDevices()).length, 1);
    assert.ok(await renewed(), 'no tokens after the first renewal');
    assert.ok(await renewed(), 'no tokens after the second renewal');
  },
  'devices/replaces the second factor': async () => {
    assert.equal((await start(devices, 'mary')).signInStep, 'CONFIRM_SIGN_IN_WITH_SMS_CODE');
    assert.equal(await answer(await mailed(devices, 'mary')), 'DONE');
    await signOut();
    assert.equal((await start(devices, 'mary')).signInStep, 'DONE');
    assert.equal((await fetchDevices()).length, 1);
    assert.ok(await renewed());
  },
};

for (const [check, run] of Object.entries(checks)) {
  let why;
  try {
    await run();
  } catch (err) {
    why = `${err?.name}: ${err?.message ?? err}`;
  }
  try {
    await signOut();
  } catch { /* nobody is signed in */ }
  console.log(JSON.stringify({ check, ok: why === undefined, why }));
}
process.exit(0);
