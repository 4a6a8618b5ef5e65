import type { Layout } from './layout.js';

/** The way to the other playground. */
const other = (to: string, name: string): string =>
  `<p class="other">The other playground: <a href="${to}">${name}</a></p>`;

/** The frame of the playground of punches; its program fills it in. */
export function playgroundPage(): Omit<Layout, 'sections'> {
  return {
    url: 'playground.html',
    title: 'Playground: two NATs',
    about: 'Choose two NATs, and see which ports they give, which SYNs leave, what opens, and why.',
    isWide: true,
    scripts: ['assets/playground.js'],
    body: `<div class="playground">
<h1>Two NATs</h1>
${other('playground-rooms.html', 'A room, and how a message spreads in it')}
<p class="lead">Choose two NATs, and see how two nodes behind them open a TCP connection: which ports each NAT gives, which SYNs leave when, what opens, and why. The page runs the library's own code, which <a href="architecture.html#a-punch">classifies, predicts and plans</a>; only the two NATs are made up.</p>
<noscript><p>The playground is a program, and scripts are off in this browser.</p></noscript>
<div id="punch"></div>
</div>`,
  };
}

/** The frame of the playground of rooms; its program fills it in. */
export function roomPage(): Omit<Layout, 'sections'> {
  return {
    url: 'playground-rooms.html',
    title: 'Playground: a room',
    about: 'A room of many members: who speaks to whom, how a message spreads, and what happens when members are gone.',
    isWide: true,
    scripts: ['assets/room.js'],
    body: `<div class="playground room">
<h1>A room</h1>
${other('playground.html', 'Two NATs, and how they are punched')}
<p class="lead">Each member of a <a href="rooms.html">room</a> has a few neighbours, and no server in between. The first message is told of on all ways, and each member asks for it on one of them: what comes of it is a tree, by which the next messages come to everybody once. When members are gone, the others find new neighbours, and ask for what they have missed. The page runs the library's own code; only the network is made up, and time goes by five times as slowly.</p>
<noscript><p>The playground is a program, and scripts are off in this browser.</p></noscript>
<div id="room"></div>
<p class="key"><span class="branch"></span> messages are pushed this way <span class="lazy"></span> they are only announced <span class="full"></span> a message <span class="small"></span> an announcement, or what keeps neighbours. The number in a member is how many hops the message took. Click a member to have it say something.</p>
</div>`,
  };
}
