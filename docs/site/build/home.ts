import type { Highlight } from './highlight.js';
import type { Layout } from './layout.js';

/** What the library does, each with the page that tells more. */
const POINTS = [
  [
    'Through NATs',
    'reaching-nodes.html',
    'A node has its router open a port, punches a hole, has the peer dial back, or meets it at a relay: whichever works first.',
  ],
  [
    'Encrypted, and proven',
    'security.html',
    'TLS 1.3 on every link. The address of a node has its key in it, and whoever answers has to prove that key.',
  ],
  [
    'It stays',
    'architecture.html#how-a-connection-lives-on-while-links-come-and-go',
    'A connection outlives its links. Change the Wi-Fi, and every line still arrives once and in order.',
  ],
  [
    'Channels',
    'channels.html',
    'Many on one connection, of lines, messages or bytes, each with its own pace: a slow reader holds up nobody else.',
  ],
  [
    'Observables across machines',
    'observables.html',
    'Subscribe to a method of an object on another machine. Unsubscribing ends it there.',
  ],
  [
    'Your own servers',
    'deploying.html',
    'One small program does all that nodes need between them. None runs that you have not named, and there are none of ours.',
  ],
] as const;

/** The first page: what this is, in a minute. The program on it is the README's, which is compiled with the other examples. */
export function homePage(readme: string, highlight: Highlight): Omit<Layout, 'sections'> {
  const [, program = ''] = /## A program\n+```ts\n(.*?)```/s.exec(readme) ?? [];
  if (program === '') throw new Error('Expected a program in README.md');
  const points = POINTS.map(([title, to, text]) => `<li><h3><a href="${to}">${title}</a></h3><p>${text}</p></li>`);
  return {
    url: 'index.html',
    title: 'rxp2p',
    about: 'Connect two programs wherever they are, behind home routers too, and get lines of text as Observables.',
    isWide: true,
    body: `<div class="home">
<section class="hero">
<div>
<h1>Connect two programs, wherever they are</h1>
<p class="lead">A library for Node, in TypeScript and RxJS. Both programs may sit behind home routers, carriers' NATs and firewalls. What they say goes directly from one to the other where that is possible, encrypted, and comes out as Observables.</p>
<p class="actions"><a class="button" href="start.html">Start</a><a class="button plain" href="playground.html">See two NATs meet</a></p>
<div class="code">${highlight('npm install rxp2p rxjs', 'sh')}</div>
</div>
${PICTURE}
</section>
<section><h2>What you get</h2><ul class="points">${points.join('')}</ul></section>
<section class="beside">
<div><h2>A whole program</h2>
<p>It prints its own address, answers whoever connects, and connects to the address that it is given.</p>
<ol>
<li><code>npx rxp2p serve</code> in one terminal: the server by which the two find each other.</li>
<li><code>node program.mts</code> in a second.</li>
<li><code>node program.mts UNL</code> in a third, with what the second has printed.</li>
</ol>
<p><a href="start.html">The same, step by step</a></p></div>
<div class="code">${highlight(program, 'ts')}</div>
</section>
<section class="beside">
<div><h2>Where it connects</h2>
<p>Each row dials each column, in a lab of network namespaces with real kernels and real NATs. Where nothing else works, the lines go by a relay, which cannot read them.</p>
<p><a href="measured.html">All figures, and how to get them</a></p></div>
<p class="picture"><img src="measured/matrix-small.svg" alt="Which pairs of networks connect, and how" width="640" height="488"></p>
</section>
<section><h2>When to use something else</h2>
<ul class="plain-list">
<li><strong>In a browser</strong>, use WebRTC: rxp2p needs TCP sockets, and a page has none.</li>
<li><strong>For calls and games</strong>, use UDP: all goes by TCP here, in order.</li>
<li><strong>To stay anonymous</strong>, use Tor: peers, and the servers that introduce them, see each other's addresses.</li>
<li><strong>Where one side is a server with a name</strong>, use TLS or a WebSocket, which is simpler.</li>
</ul></section>
</div>`,
  };
}

/** Two programs, each behind its NAT, and the ways between them. */
const PICTURE = `<svg class="hero-picture" viewBox="0 0 460 330" role="img" aria-label="Two programs, each behind a NAT. A server carries a few small messages between them; their lines then go directly from one to the other.">
<g class="way signal"><path d="M96 206C96 120 150 74 200 62"/><path d="M364 206C364 120 310 74 260 62"/></g>
<g class="way direct"><path d="M128 236H332"/></g>
<circle class="dot one" r="5"><animateMotion dur="2.6s" repeatCount="indefinite" path="M128 236H332"/></circle>
<circle class="dot two" r="5"><animateMotion dur="2.6s" begin="-1.3s" repeatCount="indefinite" path="M332 236H128"/></circle>
<rect class="server" x="196" y="38" width="68" height="44" rx="8"/><path class="server-line" d="M208 53h44M208 67h28"/>
<rect class="nat" x="42" y="196" width="108" height="80" rx="12"/><rect class="nat" x="310" y="196" width="108" height="80" rx="12"/>
<rect class="node one" x="66" y="216" width="60" height="40" rx="8"/><rect class="node two" x="334" y="216" width="60" height="40" rx="8"/>
<text class="inverse" x="96" y="241">Alice</text><text class="inverse" x="364" y="241">Bob</text>
<text x="96" y="298">behind a NAT</text><text x="364" y="298">behind a NAT</text>
<text x="230" y="24">a server of yours</text><text x="230" y="224">TLS 1.3, directly</text>
<text x="78" y="118" class="soft">signals</text><text x="384" y="118" class="soft">signals</text>
</svg>`;
