import { once } from 'node:events';
import { createServer } from 'node:net';
import { addressOf, Lab, newAddress } from '../support/nodes.js';
import { Program, RXP2P } from '../support/program.js';
import { leftToCi } from '../support/left-to-ci.js';

describe('rxp2p doctor', () => {
  const lab = new Lab();
  const programs: Program[] = [];

  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    await lab.close();
  });

  const start = (...args: string[]) => {
    const program = new Program(RXP2P, ['doctor', '--bind', newAddress(), ...args]);
    programs.push(program);
    return program;
  };

  it('says in words what it finds, and ends with 0 where others can reach this node', async () => {
    const { address } = await lab.server();
    const program = start('--rendezvous', address, '--rendezvous', `${newAddress()}:1`);
    expect(await program.exit()).toBe(0);
    expect(program.lines).toContain(
      jasmine.stringMatching(/^ {2}ok {4}rendezvous server 127\.[0-9.:]+ answers, \d+ ms, sees/),
    );
    expect(program.lines).toContain(
      jasmine.stringMatching(/^ {2}FAIL {2}rendezvous server 127\.[0-9.:]+ cannot be reached \(ECONNREFUSED\)$/),
    );
    expect(program.lines).toContain(jasmine.stringMatching(/^ {2}Others reach this node directly, if no firewall/));
  }, 120_000);

  it('tells it as JSON, as more is known', async () => {
    const { address } = await lab.server();
    const program = start('--rendezvous', address, '--json');
    expect(await program.exit()).toBe(0);
    expect(
      program.events.slice(0, -1).every(({ event, isSettled }) => event === 'check' && isSettled === false),
    ).toBeTrue();
    expect(program.events.at(-1)).toEqual(
      jasmine.objectContaining({ event: 'check', isSettled: true, verdict: 'direct', hasRelay: false }),
    );
    expect(program.lines).toEqual([]);
  }, 120_000);

  it('says that it does not know, and ends with 1, where nobody outside has tried', async () => {
    const program = start('--no-port-mapping');
    expect(await program.exit()).toBe(1);
    expect(program.lines).toContain(jasmine.stringMatching(/^ {2}Nobody outside has tried to reach this node/));
    expect(program.lines).not.toContain(jasmine.stringMatching(/^ {2}Others reach this node/));
  }, 120_000);

  it('ends with 2 when it is asked wrongly, and with 1 on Ctrl-C', async () => {
    leftToCi();
    expect(await start('--rendezvous', 'no such name').exit()).toBe(2);
    // A server that says nothing: it waits for that one.
    const silent = createServer().listen(0, newAddress());
    await once(silent, 'listening');
    lab.onClose(() => silent.close());
    const { address, port } = addressOf(silent);
    const program = start('--rendezvous', `${address}:${port}`);
    await program.until('it looks', ({ stderr }) => stderr.includes('Looking at the network'));
    program.signal('SIGINT');
    expect(await program.exit()).toBe(1);
    // One that is not interrupted is not silent meanwhile.
    const patient = start('--rendezvous', `${address}:${port}`);
    await patient.until('it says that', ({ stderr }) => stderr.includes('Still looking at the network (2 s, '));
  }, 120_000);
});
