// The judge of oktabus's token client: npm oidc-provider, an OpenID-certified server, as the authorization server of an
// org that answers `/api/v1/logs` with an empty page to whoever has a token that stands up to every check.
//
//   node token_server.mjs PORT CLIENT     CLIENT is JSON: client_id, jwks, alg, dpop
//
// Prints a line for each thing that happened: `token <type>`, `refused <error>`, `logs ok`, `logs refused <why>`.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

// Both are modules that only `import` can load, and it does not look into other folders by itself.
const modules = new URL('../../../.tools/judges-okta-node/node_modules/', import.meta.url);
const { default: Provider } = await import(new URL('oidc-provider/lib/index.js', modules));
const jose = await import(new URL('jose/dist/webapi/index.js', modules));

const [port, json] = process.argv.slice(2);
const client = JSON.parse(json);
const origin = `http://127.0.0.1:${port}`;
const logs = `${origin}/api/v1/logs`;

const provider = new Provider(origin, {
  clients: [{
    client_id: client.client_id,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: client.alg,
    jwks: client.jwks,
    scope: 'okta.logs.read',
    dpop_bound_access_tokens: client.dpop,
  }],
  scopes: ['okta.logs.read'],
  routes: { token: '/oauth2/v1/token' },
  enabledJWA: {
    clientAuthSigningAlgValues: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'],
    dPoPSigningAlgValues: ['RS256', 'ES256'],
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => client.dpop },
  },
});
provider.on('grant.success', (ctx) => console.log(`token ${ctx.body.token_type}`));
provider.on('grant.error', (_, error) => console.log(`refused ${error.error}: ${error.error_detail ?? error.error_description}`));
provider.on('server_error', (_, error) => console.log(`broken ${error.stack}`));

// RFC 9449, section 4.3, for the API: the provider itself judges proofs at its own endpoints only.
const used = new Set();
async function judge(request) {
  const [scheme, value] = (request.headers.authorization ?? '').split(' ');
  const token = await provider.ClientCredentials.find(value);
  if (!token?.isValid || token.scope !== 'okta.logs.read') return 'the token is not good';
  if (!client.dpop) return scheme === 'Bearer' ? undefined : `the scheme is ${scheme}`;
  if (scheme !== 'DPoP') return `the scheme is ${scheme}`;
  const { payload, protectedHeader } = await jose.jwtVerify(request.headers.dpop, jose.EmbeddedJWK, {
    typ: 'dpop+jwt', algorithms: ['ES256', 'RS256'], maxTokenAge: '5 minutes', clockTolerance: 0,
  });
  const { jwk } = protectedHeader;
  if (jwk.d) return 'the private key is in the proof';
  if (await jose.calculateJwkThumbprint(jwk) !== token.jkt) return 'the token is bound to another key';
  if (payload.htm !== 'GET' || payload.htu !== logs) return `the proof is for ${payload.htm} ${payload.htu}`;
  if (payload.ath !== createHash('sha256').update(value).digest('base64url')) return 'ath is wrong';
  if (used.has(payload.jti)) return 'the proof was used before';
  used.add(payload.jti);
  return undefined;
}

const callback = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith('/api/v1/logs')) {
    callback(request, response);
    return;
  }
  const refusal = await judge(request).catch((error) => String(error));
  console.log(refusal ? `logs refused ${refusal}` : 'logs ok');
  const headers = { 'content-type': 'application/json', link: `<${origin}${request.url}>; rel="next"` };
  response.writeHead(refusal ? 401 : 200, headers);
  response.end(refusal ? '{"errorCode":"E0000011","errorSummary":"Invalid token provided"}' : '[]');
}).listen(Number(port), '127.0.0.1');
