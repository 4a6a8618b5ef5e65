import { Lab, newAddress } from '../support/nodes.js';
import { Program, RXP2P } from '../support/program.js';
import { answerTo, seenAt, stunServer } from '../support/stun.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p with STUN servers', () => {
  const lab = new Lab();
  const programs: Program[] = [];

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    await lab.close();
  });

  /** Starts a program, and tells what it says about its NAT first. */
  async function natOf(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const program = new Program(RXP2P, [...args, '--json', '--bind', newAddress()], env);
    programs.push(program);
    return { program, nat: await program.event('nat') };
  }

  it('is shown its NAT by those on the command line, and by those in the environment', async () => {
    leftToCi();
    const server = () =>
      stunServer(lab, (request, socket) => socket.write(answerTo(request, seenAt(socket))), { address: newAddress() });
    const [one, other] = [await server(), await server()];
    const [first, second] = [one, other].map(({ host, port }) => `${host}:${port}`);
    const shown = jasmine.objectContaining({ natType: { type: 'open' }, samples: 10 });
    const listening = await natOf(['listen', '--stun', first ?? '', '--stun', `stun:${second ?? ''}`]);
    expect(listening.nat).toEqual(shown);
    const { program } = listening;
    await program.until('its locator', ({ lines }) => lines.length > 0);
    const RXP2P_STUN = `${first ?? ''},${second ?? ''}`;
    expect((await natOf(['join'], { RXP2P_STUN })).nat).toEqual(shown);
    const connecting = ['connect', program.lines[0] ?? '', '--technique', 'simultaneous-open'];
    expect((await natOf(connecting, { RXP2P_STUN })).nat).toEqual(shown);
  }, 120_000);

  it('says which cannot be used', async () => {
    const program = new Program(RXP2P, ['listen', '--bind', newAddress(), '--stun', `${newAddress()}:1`]);
    programs.push(program);
    await program.until('it names the server', ({ stderr }) =>
      /^STUN server 127\.[0-9.]+:1 cannot be reached \(ECONNREFUSED\)$/m.test(stderr),
    );
  }, 120_000);

  it('are named as such', async () => {
    const program = new Program(RXP2P, ['listen', '--stun', 'turn:a:1']);
    programs.push(program);
    expect(await program.exit()).toBe(2);
    expect(program.stderr).toContain('Expected `stun` to be HOST:PORT');
  }, 120_000);
});
