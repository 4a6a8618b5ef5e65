import type { MatrixResult, PairResult, Trial, Way } from './measurement.js';
import { NETWORK_NAMES, SHARED_NAMES } from './arguments.js';
import { renderPicture, SMALL, WHOLE, type PictureConfig } from './picture.js';

const DIRECT: Way = { technique: 'direct', direct: true };
const PUNCHED: Way = { technique: 'simultaneous-open', direct: true };
const RELAYED: Way = { technique: 'relay', direct: false };

const won = (first: Way, last = first): Trial => ({
  ok: true,
  first,
  ms: 240,
  last,
  movedMs: first === last ? null : 900,
});
const pair = (names: readonly string[], ...trials: Trial[]): PairResult => ({ pair: names, roundTripMs: 80, trials });

const matrix = (...pairs: PairResult[]): MatrixResult => ({
  wire: 'tc netem',
  delayMs: 20,
  jitterMs: 0,
  loss: 0,
  bandwidthMbit: null,
  repeat: 1,
  pairs,
});

const config: PictureConfig = { networks: ['a', 'b'], shared: [], cell: { width: 20, height: 10 }, fontSize: 8 };

/** The group of each pair, by the title that it begins with. */
const squareOf = (picture: string, name: string): string =>
  picture.split('\n').find((line) => line.startsWith(`<g><title>${name}`)) ?? '';

describe('The picture', () => {
  it('has a square for each pair of its networks, and a dashed one for a pair that was not measured', () => {
    const picture = renderPicture(matrix(pair(['a', 'b'], won(DIRECT))), config);
    expect(picture.match(/<g><title>[ab] → /g)?.length).toBe(4);
    expect(squareOf(picture, 'a → b')).toContain('<title>a → b: direct, first line after 240 ms</title>');
    expect(squareOf(picture, 'b → a')).toContain('class="untried"');
    expect(picture).toContain('not measured</text>');
  });

  it('says in each square how many round trips the first line took', () => {
    expect(squareOf(renderPicture(matrix(pair(['a', 'b'], won(DIRECT))), config), 'a → b')).toContain('>3.0</text>');
    const local = { ...pair(['a', 'b'], won(DIRECT)), roundTripMs: 0 };
    expect(squareOf(renderPicture(matrix(local), config), 'a → b')).toContain('>–</text>');
  });

  it('has both ways of a pair whose lines moved: the first above, the last below', () => {
    const square = squareOf(renderPicture(matrix(pair(['a', 'b'], won(RELAYED, PUNCHED))), config), 'a → b');
    expect(square).toContain('relay, then simultaneous-open, first line after 240 ms, moved after 900 ms');
    const [whole, half] = Array.from(square.matchAll(/<path class="([^"]+)" d="([^"]+)"/g));
    expect(whole?.slice(1)).toEqual(['simultaneous-open', jasmine.stringMatching(/^M\d+ \d+H\d+V\d+H\d+Z$/)]);
    expect(half?.slice(1)).toEqual(['relay', jasmine.stringMatching(/^M\d+ \d+H\d+L\d+ \d+Z$/)]);
  });

  it('has one colour for a pair whose lines stayed where they began', () => {
    const square = squareOf(renderPicture(matrix(pair(['a', 'b'], won(PUNCHED))), config), 'a → b');
    expect(square.match(/<path class=/g)?.length).toBe(1);
  });

  it('marks a pair that failed, and one that failed once', () => {
    const lost: Trial = { ok: false, reason: 'timeout' };
    const picture = renderPicture(matrix(pair(['a', 'b'], lost), pair(['b', 'a'], won(DIRECT), lost)), config);
    expect(squareOf(picture, 'a → b')).toMatch(/class="failed".*>✗<\/text>/);
    expect(squareOf(picture, 'b → a')).toContain('>3.0!</text>');
    expect(squareOf(picture, 'b → a')).toContain('1 of 2</title>');
  });

  it('tells relays from the rest by more than their colour', () => {
    const picture = renderPicture(matrix(pair(['a', 'b'], won(RELAYED)), pair(['b', 'a'], won(DIRECT))), config);
    expect(squareOf(picture, 'a → b')).toContain('url(#hatch)');
    expect(squareOf(picture, 'b → a')).not.toContain('url(#hatch)');
  });

  it('draws what two hosts share below the rest', () => {
    const picture = renderPicture(matrix(pair(['lan'], won(DIRECT))), { ...config, shared: ['lan'] });
    expect(squareOf(picture, 'lan')).toContain('<title>lan: direct');
    expect(picture).toContain('both hosts behind the same router');
  });

  it('names a technique that it has no colour for, an application’s own', () => {
    const own: Way = { technique: 'over<tunnel>', direct: true };
    const picture = renderPicture(matrix(pair(['a', 'b'], won(own))), config);
    expect(squareOf(picture, 'a → b')).toContain('class="other"');
    expect(picture).toContain('over&lt;tunnel&gt;</text>');
    expect(picture).not.toContain('<tunnel>');
  });

  it('is told in words, and follows the reader’s choice of light or dark', () => {
    const picture = renderPicture(
      matrix(pair(['a', 'b'], won(RELAYED, PUNCHED)), pair(['b', 'a'], won(DIRECT))),
      config,
    );
    expect(picture).toContain('role="img" aria-labelledby="title desc"');
    expect(picture).toMatch(/<title id="title">[^<]+<\/title>/);
    expect(picture).toContain(
      '<desc id="desc">A square for each of 4 pairs of networks, 2 of them measured. In the end they are connected so: ' +
        'hole punch 1, direct dial 1. 1 of them had their first line by another way than that.</desc>',
    );
    expect(picture).toContain('@media(prefers-color-scheme:dark)');
  });

  it('is well-formed and fits into 800 pixels, with a place for every network', () => {
    for (const whole of [WHOLE, SMALL]) {
      const picture = renderPicture(matrix(), whole);
      const [, width = ''] = /<svg [^>]*width="(\d+)"/.exec(picture) ?? [];
      expect(Number(width)).toBeLessThanOrEqual(800);
      expect(picture.match(/<g[ >]/g)?.length).toBe(picture.match(/<\/g>/g)?.length);
      for (const name of whole.networks) expect(picture).toContain(`>${name}</text>`);
    }
    expect(WHOLE.networks).toEqual(NETWORK_NAMES);
    expect(WHOLE.shared).toEqual(SHARED_NAMES);
    expect(NETWORK_NAMES).toEqual(jasmine.arrayContaining([...SMALL.networks]));
  });
});
