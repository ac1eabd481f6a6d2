// The judge of what oktabus signs: npm jose, which knows nothing of oktabus.
//
//   node signature.mjs     a JSON line a message: {"signature": "<header>..<signature>", "payload": "…", "pem": "…" | "secret": "…"}
//
// Prints the protected header of each signature that fits its payload; ends with an error at one that does not.

import { readFileSync } from 'node:fs';

const modules = new URL('../../../.tools/judges-okta-node/node_modules/', import.meta.url);
const jose = await import(new URL('jose/dist/webapi/index.js', modules));

for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const { signature, payload, pem, secret } = JSON.parse(line);
  const key = pem ? await jose.importSPKI(pem, 'EdDSA') : new TextEncoder().encode(secret);
  const [header, nothing, signed] = signature.split('.');
  if (nothing !== '') throw new Error('the payload is not detached');
  const jws = { protected: header, payload: new TextEncoder().encode(payload), signature: signed };
  const verified = await jose.flattenedVerify(jws, key, { algorithms: [pem ? 'EdDSA' : 'HS256'] });
  console.log(JSON.stringify(verified.protectedHeader));
}
