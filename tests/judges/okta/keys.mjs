// A new private key in every form that oktabus reads: `node keys.mjs RSA|P-256|P-384|P-521` prints JSON with the members
// pkcs8, traditional (PKCS#1 or SEC1), jwk and public_jwk.

import { generateKeyPairSync } from 'node:crypto';

const [kind] = process.argv.slice(2);
const { privateKey, publicKey } = kind === 'RSA'
  ? generateKeyPairSync('rsa', { modulusLength: 2048 })
  : generateKeyPairSync('ec', { namedCurve: kind });
const traditional = kind === 'RSA' ? 'pkcs1' : 'sec1';
console.log(JSON.stringify({
  pkcs8: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  traditional: privateKey.export({ format: 'pem', type: traditional }),
  jwk: privateKey.export({ format: 'jwk' }),
  public_jwk: publicKey.export({ format: 'jwk' }),
}));
