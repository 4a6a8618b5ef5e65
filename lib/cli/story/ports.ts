import type { PortSample } from '../../nat/classify.js';
import type { NatType } from '../../unl/types.js';
import { NAT_WORDS } from '../check-words.js';
import { escaped } from './escaped.js';
import type { StoryEvent } from './story.js';

/** What servers saw of the ports of one family of addresses, when it was last looked into. */
export interface PortLooks {
  readonly family: 4 | 6;
  readonly natType: NatType;
  /** In the order in which the connections were made. */
  readonly looks: readonly PortSample[];
}

/** Marks of so many servers differ; as many are asked at most, but for a second address. */
const SHAPES = 4;

/** Marks on the scale of ports. */
const TICKS = 3;

/** The ports by which servers saw this machine, as they were looked at last. Pure. */
export function portLooksOf(events: readonly StoryEvent[]): readonly PortLooks[] {
  return ([4, 6] as const).flatMap((family) => {
    const told = events.findLast((event) => event.type === 'nat' && event.family === family);
    return told?.type === 'nat' && told.looks.length > 0 ? [{ family, natType: told.natType, looks: told.looks }] : [];
  });
}

/**
 * A picture of the ports that a NAT has given: one column a connection, in their order, grouped by the port inside, and one kind of mark a server. Marks
 * of one height in a group are a port that is the same for everybody; stairs are a NAT that counts; marks all over are one with random ports. HTML. Pure.
 */
export function portsPicture({ family, natType, looks }: PortLooks): string {
  const ports = looks.map(({ observed }) => observed.port);
  const [low, high] = [Math.min(...ports), Math.max(...ports)];
  // A single port lies in the middle.
  const height = Math.max(1, high - low);
  const bottomOf = (port: number) => (low === high ? 50 : 8 + (84 * (port - low)) / height).toFixed(1);
  const servers = [...new Set(looks.map(serverOf))];
  const inside = [...new Set(looks.map(({ localPort }) => localPort))].toSorted((one, other) => one - other);
  const groups = inside.map((localPort) => {
    const marks = looks
      .filter((look) => look.localPort === localPort)
      .map((look, i, { length }) => {
        const place = servers.indexOf(serverOf(look));
        const words = `from port ${localPort}, server ${place + 1} saw ${look.observed.address} port ${look.observed.port}`;
        const at = `left: ${((100 * (i + 0.5)) / length).toFixed(1)}%; bottom: ${bottomOf(look.observed.port)}%`;
        return `<i class="look shape${place % SHAPES}" style="${at}" title="${escaped(words)}"></i>`;
      });
    return `<div class="group">${marks.join('')}<small class="soft">${localPort}</small></div>`;
  });
  const ticks = Array.from({ length: low === high ? 1 : TICKS }, (_, i) =>
    Math.round(low + (height * i) / (TICKS - 1)),
  );
  const scale = ticks.map((port) => `<small class="soft" style="bottom: ${bottomOf(port)}%">${port}</small>`);
  const legend = servers.map(
    (server, i) => `<span><i class="look shape${i % SHAPES}"></i> server ${i + 1}: ${escaped(server)}</span>`,
  );
  return `<h3>IPv${family}: ${escaped(NAT_WORDS[natType.type])}</h3>
<div class="ports" role="img" aria-label="${escaped(`Ports outside: ${ports.join(', ')}`)}"><div class="scale-up">${scale.join('')}</div>${groups.join('')}</div>
<p class="legend soft">${legend.join(' ')}</p>`;
}

function serverOf({ server: { address, port } }: PortSample): string {
  return `${address} port ${port}`;
}
