import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate as web servers have it, PEM, and its private key. It is its own authority. */
export interface WebCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for names and addresses, with the program openssl. */
export function webCertificate(...names: readonly string[]): WebCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'rxp2p-certificate-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const alternatives = names.map((name) => `${/^[0-9.:]+$/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const about = ['-subj', `/CN=${names[0] ?? ''}`, '-addext', `subjectAltName=${alternatives}`];
  const made = spawnSync('openssl', ['req', '-x509', ...curve, ...about, '-keyout', key, '-out', cert]);
  if (made.status !== 0) throw new Error(`openssl failed: ${made.stderr.toString()}`);
  const pem = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  rmSync(folder, { recursive: true });
  return pem;
}

/** Puts a certificate into files. */
export function putCertificate(file: (name: string) => string, { cert, key }: WebCertificate) {
  const files = { certFile: file('cert.pem'), keyFile: file('key.pem') };
  writeFileSync(files.keyFile, key);
  writeFileSync(files.certFile, cert);
  return files;
}
