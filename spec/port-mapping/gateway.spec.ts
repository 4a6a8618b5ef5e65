import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { canonicalAddress, familyOf } from '../../lib/endpoint.js';
import { PortMappingError } from '../../lib/errors.js';
import { defaultGateway$, localAddressTo$, routedAddress$ } from '../../lib/port-mapping/gateway.js';
import { defaultRouteIn, ROUTES_FILE } from '../../lib/port-mapping/routes.js';
import { failureOf } from '../support/nodes.js';

describe('The local address that leads to a host', () => {
  it('is the one that packets to it leave from', async () => {
    expect(await lastValueFrom(localAddressTo$('127.0.0.1').pipe(toArray()))).toEqual(['127.0.0.1']);
  });

  it('is none where there is no way to the host', async () => {
    // No socket may connect to it that was not made for broadcasts.
    const error = await failureOf(localAddressTo$('255.255.255.255'));
    expect(error).toBeInstanceOf(PortMappingError);
    expect(error).toEqual(jasmine.objectContaining({ message: jasmine.stringContaining('255.255.255.255') }));
  });
});

describe('The address that the default route leads from', () => {
  for (const family of [4, 6] as const) {
    it(`is one of this machine’s of IPv${family}, or there is none`, async () => {
      const found = await lastValueFrom(routedAddress$(family).pipe(toArray()));
      const own = Object.values(networkInterfaces()).flatMap((entries = []) => entries.map(({ address }) => address));
      for (const address of found) {
        expect(familyOf(address)).toBe(family);
        expect(own).toContain(address);
      }
      expect(found.length).toBeLessThan(2);
    });
  }
});

describe('The default gateway', () => {
  it('of Linux is found without any program', async () => {
    if (process.platform !== 'linux') return;
    const program = `
      import { firstValueFrom } from 'rxjs';
      import { defaultGateway$ } from ${JSON.stringify(new URL('../../lib/port-mapping/gateway.js', import.meta.url).href)};
      console.log((await firstValueFrom(defaultGateway$(4), { defaultValue: undefined }))?.address);
    `;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: new URL('.', import.meta.url),
      env: { PATH: '/nonexistent' },
      encoding: 'utf8',
    });
    const route = defaultRouteIn(4, await readFile(ROUTES_FILE[4], 'latin1'));
    expect(stdout).toBe(`${route?.gateway}\n`);
  });

  for (const family of [4, 6] as const) {
    it(`of IPv${family} is an address of that family, or there is none`, async () => {
      const gateway = await firstValueFrom(defaultGateway$(family), { defaultValue: undefined });
      if (gateway === undefined) return;
      expect(familyOf(gateway.address)).toBe(family);
      expect(canonicalAddress(gateway.address)).toBe(gateway.address);
      expect(gateway.host.replace(/%.*$/, '')).toBe(gateway.address);
    });
  }
});
