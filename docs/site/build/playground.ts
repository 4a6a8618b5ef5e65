import type { Layout } from './layout.js';

/** The frame of the playground; its program fills it in. */
export function playgroundPage(): Omit<Layout, 'sections'> {
  return {
    url: 'playground.html',
    title: 'Playground',
    about: 'Choose two NATs, and see which ports they give, which SYNs leave, what opens, and why.',
    isWide: true,
    scripts: ['assets/playground.js'],
    body: `<div class="playground">
<h1>Playground</h1>
<p class="lead">Choose two NATs, and see how two nodes behind them open a TCP connection: which ports each NAT gives, which SYNs leave when, what opens, and why. The page runs the library's own code, which <a href="architecture.html#a-punch">classifies, predicts and plans</a>; only the two NATs are made up.</p>
<noscript><p>The playground is a program, and scripts are off in this browser.</p></noscript>
<div id="punch"></div>
</div>`,
  };
}
