import { temporaryFolder } from '../../support/folder.js';
import { Program, RXP2P } from '../../support/program.js';
import { needsRedis, REDIS_LIMIT_MS, redisServers } from '../../support/redis.js';
import { putCertificate, webCertificate } from '../../support/web-certificate.js';
import { freePort } from '../../support/free-port.js';

describe('The store in Redis by TLS', () => {
  const { start } = redisServers();
  const path = temporaryFolder();
  const programs: Program[] = [];

  afterEach(async () => {
    await Promise.all(
      programs.splice(0).map((program) => {
        program.signal('SIGKILL');
        return program.exit();
      }),
    );
  });

  it(
    'is used when its certificate is proven and the password right, and else the servers say why they end',
    async () => {
      needsRedis();
      const { certFile, keyFile } = putCertificate(path, webCertificate('127.0.0.1'));
      const port = await freePort();
      const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
      const redis = await start('--tls-port', `${port}`, ...files, '--tls-auth-clients', 'no');
      await redis.ask('config', 'set', 'requirepass', 'right-password');
      const serve = (password: string, trusted: Readonly<Record<string, string>>) => {
        const program = new Program(RXP2P, ['serve', '--bind', '127.0.0.1', '--port', '0', '--http-port', '0'], {
          ...trusted,
          RXP2P_STORE: `rediss://:${password}@127.0.0.1:${port}`,
        });
        programs.push(program);
        return program;
      };
      const trusted = { NODE_EXTRA_CA_CERTS: certFile };
      const used = serve('right-password', trusted);
      await used.line(/^http /);
      used.signal('SIGTERM');
      expect(await used.exit()).toBe(0);
      const wrong = [serve('right-password', {}), serve('wrong-password', trusted)] as const;
      expect(await Promise.all(wrong.map((program) => program.exit()))).toEqual([1, 1]);
      expect(wrong[0].stderr).toMatch(/self-signed certificate/);
      expect(wrong[1].stderr).toMatch(/WRONGPASS/);
      expect([used, ...wrong].map(({ stderr }) => stderr).join('')).not.toMatch(/(?:right|wrong)-password/);
    },
    REDIS_LIMIT_MS,
  );
});
