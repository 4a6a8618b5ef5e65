import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Crowd, type Member, type Sent } from '../support/crowd.js';
import { Program } from '../support/program.js';
import { needsRedis, REDIS_LIMIT_MS, redisServers } from '../support/redis.js';

const SERVING = fileURLToPath(new URL('../support/serving-process.js', import.meta.url));

const [SERVERS, MEMBERS] = [3, 90];

describe('One of several servers that is killed', () => {
  const { start } = redisServers();
  const programs: Program[] = [];
  let crowd: Crowd | undefined;

  afterEach(async () => {
    crowd?.close();
    await Promise.all(
      programs.splice(0).map((program) => {
        program.signal('SIGKILL');
        return program.exit();
      }),
    );
  });

  it(
    'takes no message with it that was answered SENT, but for what its nodes had not read yet, and they are reached at the others',
    async () => {
      needsRedis();
      const redis = await start();
      for (let index = 0; index < SERVERS; index++) {
        programs.push(new Program(SERVING, [`redis://127.0.0.1:${redis.port}`, 'killed:']));
      }
      await Promise.all(programs.map((program) => program.line(/^\d+$/)));
      const ports = programs.map(({ lines }) => Number(lines[0]));
      const all = new Crowd({ ports });
      crowd = all;
      all.add(MEMBERS);
      await all.open(16);
      const { members, returns, messages } = all;
      const moving = members.filter(({ server }) => server === 0);
      // Everybody sends to everybody while one server is killed, and until all its nodes are elsewhere.
      let isOver = false;
      const talk = async (from: Member, index: number) => {
        for (let turn = 1; !isOver; turn++) {
          const to = members[(index + turn) % MEMBERS];
          if (to !== undefined) await all.send(from, to);
          await pause(2);
        }
      };
      const talking = members.map(talk);
      while (messages.size < 500) await pause(5);
      const killedAt = performance.now();
      programs[0]?.signal('SIGKILL');
      while (returns.length < moving.length) await pause(5);
      isOver = true;
      await Promise.all(talking);
      // A connection that is reset while its node writes takes with it what the node has not read.
      const mayBeUnread = ({ to, at }: Sent) => at < killedAt && moving.includes(to);
      const sent = [...messages.values()].filter((each) => each.verdict === 'SENT' && !mayBeUnread(each));
      expect(sent.length).toBeGreaterThan(100);
      // The line to the receiver and the answer to the sender go by different connections.
      while (sent.some(({ received }) => received.length === 0)) await pause(5);
      expect([...messages.values()].filter(({ received }) => received.length > 1)).toEqual([]);
      const [first] = members.filter((member) => !moving.includes(member));
      if (first === undefined) throw new Error('nobody stayed');
      for (const to of moving) {
        let last: Sent;
        // On a busy machine a message may be confirmed too late to count as sent.
        do last = await all.send(first, to);
        while (last.verdict === 'ABSENT');
        expect(last.verdict).toBe('SENT');
      }
      expect(moving.every(({ server }) => server !== 0)).toBeTrue();
      expect(all.refusals).toEqual([]);
    },
    REDIS_LIMIT_MS,
  );
});
