// A token endpoint for clients of Kafka: npm oidc-provider, an OpenID-certified server, with tokens that a broker can verify.
//
//   node token_endpoint.mjs PORT CONFIG     CONFIG is JSON: client_id, client_secret, audience, lives_seconds, jwks_file
//
// Writes the public half of its key to `jwks_file`. Prints `token` for each token and `refused <error>` for each refusal.

import { writeFileSync } from 'node:fs';

// Both are modules that only `import` can load, and it does not look into other folders by itself.
const modules = new URL('../../../.tools/judges-okta-node/node_modules/', import.meta.url);
const { default: Provider } = await import(new URL('oidc-provider/lib/index.js', modules));
const jose = await import(new URL('jose/dist/webapi/index.js', modules));

const [port, json] = process.argv.slice(2);
const config = JSON.parse(json);

const { publicKey, privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
const named = async (key) => ({ ...await jose.exportJWK(key), kid: 'key-1', alg: 'RS256', use: 'sig' });
writeFileSync(config.jwks_file, JSON.stringify({ keys: [await named(publicKey)] }));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: config.client_id,
    client_secret: config.client_secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  scopes: ['publish'],
  jwks: { keys: [await named(privateKey)] },
  routes: { token: '/token' },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:kafka',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'publish',
        audience: config.audience,
        accessTokenTTL: config.lives_seconds,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.on('grant.success', () => console.log('token'));
provider.on('grant.error', (_, error) => console.log(`refused ${error.error}: ${error.error_detail ?? error.error_description}`));
provider.on('server_error', (_, error) => console.log(`broken ${error.stack}`));
provider.listen(Number(port), '127.0.0.1');
