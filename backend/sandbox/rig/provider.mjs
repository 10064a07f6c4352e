// oidc-provider, an authorization server by others, on the paths of a Cognito
// domain, for the tests of usher's own client.
//
// Standard input is one JSON line: {"port", "issuer", "client_id", "callback",
// "password"}. It prints "ready" when it serves. Each person's name is the sub.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const input = JSON.parse(readFileSync(0, 'utf8').split('\n')[0]);

const provider = new Provider(input.issuer, {
  clients: [{
    client_id: input.client_id, redirect_uris: [input.callback], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], application_type: 'native',
  }],
  routes: { authorization: '/oauth2/authorize', token: '/oauth2/token', userinfo: '/oauth2/userInfo', revocation: '/oauth2/revoke', jwks: '/.well-known/jwks.json' },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  scopes: ['openid', 'email', 'offline_access'],
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }) }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  expiresWithSession: async () => false,
  extraTokenClaims: (_, token) => ({ token_use: 'access', username: token.accountId, origin_jti: token.grantId }),
  cookies: { keys: ['a key of a test'] },
  interactions: { url: (_, i) => `/interaction/${i.uid}` },
  features: {
    devInteractions: { enabled: false }, revocation: { enabled: true }, userinfo: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:usher:default',
      useGrantedResource: () => true,
      getResourceServerInfo: (_, indicator) => ({ scope: 'openid email', audience: indicator, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'RS256' } } }),
    },
  },
  ttl: { AccessToken: 600, RefreshToken: 3600, AuthorizationCode: 300, IdToken: 600, Session: 3600, Interaction: 300, Grant: 3600 },
});

// The sign-in page is a form like any other: user name and password.
async function interaction(req, res) {
  const { uid, params } = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.setHeader('Content-Type', 'text/html');
    res.end(`<form method="post" action="/interaction/${uid}"><input name="username"><input name="password"></form>`);
    return;
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  const form = new URLSearchParams(body);
  if (form.get('password') !== input.password) {
    await provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'wrong password' }, { mergeWithLastSubmission: false });
    return;
  }
  const grant = new provider.Grant({ accountId: form.get('username'), clientId: params.client_id });
  grant.addOIDCScope('openid email');
  for (const resource of [].concat(params.resource ?? 'urn:usher:default')) grant.addResourceScope(resource, 'openid email');
  await provider.interactionFinished(req, res, { login: { accountId: form.get('username') }, consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: false });
}

const handle = provider.callback();
createServer((req, res) => {
  if (req.url.startsWith('/interaction/')) interaction(req, res).catch((err) => { res.statusCode = 500; res.end(String(err)); });
  else handle(req, res);
}).listen(input.port, '127.0.0.1', () => console.log('ready'));
