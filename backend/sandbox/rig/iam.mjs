// @cloud-copilot/iam-simulate evaluates session policies. The policies and the
// requests are JSON on standard input: [{"policy", "requests": [{"action",
// "resource", "context"}]}]. The answer is one JSON array of booleans for each
// policy. This file uses no code of usher.

import { readFileSync } from 'node:fs';
import { runSimulation } from '@cloud-copilot/iam-simulate';

const account = '111122223333';

async function allows(policy, { action, resource, context }) {
  const outcome = await runSimulation({
    identityPolicies: [{ name: 'session', policy }], serviceControlPolicies: [], resourceControlPolicies: [],
    request: { principal: `arn:aws:iam::${account}:role/reader`, action, resource: { resource, accountId: account }, contextVariables: context },
  }, {});
  if (!outcome.overallResult) throw new Error(`${action} ${resource}: ${JSON.stringify(outcome)}`);
  return outcome.overallResult === 'Allowed';
}

const out = [];
for (const { policy, requests } of JSON.parse(readFileSync(0, 'utf8'))) {
  const answers = [];
  for (const r of requests) answers.push(await allows(JSON.parse(policy), r));
  out.push(answers);
}
process.stdout.write(JSON.stringify(out));
