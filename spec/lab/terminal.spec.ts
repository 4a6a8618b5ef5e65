import { parseXml } from '../../lib/port-mapping/upnp/xml.js';
import { renderTerminals, wrapped } from './terminal.js';

const WORDS = { title: 'rxp2p doctor', about: 'What it says.' };

describe('A picture of terminals', () => {
  it('shows each line as text, one below the other, in as wide a window as they take', () => {
    const svg = renderTerminals(
      [
        { title: 'here', lines: [{ atMs: 0, text: '$ rxp2p doctor <&>', isTyped: true }] },
        {
          title: 'there',
          lines: [
            { atMs: 0, text: '  FAIL  a server' },
            { atMs: 0, text: '  ok    another' },
          ],
        },
      ],
      WORDS,
    );
    expect(parseXml(svg)).toBeDefined();
    expect(svg).toContain('class="typed">$ rxp2p doctor &lt;&amp;&gt;</text>');
    expect(svg).toContain('class="bad">  FAIL  a server</text>');
    expect(svg).toContain('class="good">  ok    another</text>');
    expect(svg).not.toContain('@keyframes');
  });

  it('plays what took its time as it was, and is still for those who want no motion', () => {
    const lines = [0, 500, 4_000].map((atMs) => ({ atMs, text: `at ${atMs}` }));
    const svg = renderTerminals([{ title: 'here', lines }], WORDS);
    expect(Array.from(svg.matchAll(/@keyframes k\d \{ 0%, ([\d.]+)%/g), ([, share]) => share)).toEqual([
      '5.00',
      '40.00',
    ]);
    expect(svg).toContain('style="animation: k1 10000ms step-end infinite">at 4000');
    expect(svg).toContain('prefers-reduced-motion');
    expect(svg).toContain('<text x="14" y="57">at 0</text>');
  });

  it('breaks long lines at spaces, as far in as they began', () => {
    expect(wrapped('  - one two three', 11)).toEqual(['  - one two', '    three']);
    expect(wrapped('short', 80)).toEqual(['short']);
    expect(wrapped('', 80)).toEqual(['']);
    expect(wrapped('  averylongword', 5)).toEqual(['  averylongword']);
  });
});
