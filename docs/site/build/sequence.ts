// Reads sequence diagrams, as Mermaid writes them in Markdown: of its language that part which our documents use.

export interface Participant {
  readonly id: string;
  readonly label: string;
}

export type Step =
  | {
      readonly type: 'message';
      readonly from: number;
      readonly to: number;
      readonly isDashed: boolean;
      /** Whether it does not arrive. */
      readonly isLost: boolean;
      readonly lines: readonly string[];
    }
  | { readonly type: 'note'; readonly first: number; readonly last: number; readonly lines: readonly string[] }
  | { readonly type: 'open' | 'part'; readonly word: string; readonly text: string }
  | { readonly type: 'close' };

export interface Sequence {
  readonly participants: readonly Participant[];
  readonly steps: readonly Step[];
}

const PARTICIPANT = /^(?:participant|actor) (\w+)(?: as (.+))?$/;
const MESSAGE = /^(\w+)(--?(?:>>|x))(\w+): (.*)$/;
const NOTE = /^Note (?:over|left of|right of) (\w+)(?:, ?(\w+))?: (.*)$/;
const OPEN = /^(par|alt|opt|loop)(?: (.*))?$/;
const PART = /^(and|else)(?: (.*))?$/;

/** `undefined` for a diagram of another kind. @throws Error for a line that is not understood. */
export function parseSequence(text: string): Sequence | undefined {
  const [head, ...rest] = text.split('\n').map((line) => line.trim());
  if (head !== 'sequenceDiagram') return undefined;
  const participants: Participant[] = [];
  const indexOf = (id = ''): number => {
    const known = participants.findIndex((each) => each.id === id);
    return known >= 0 ? known : participants.push({ id, label: id }) - 1;
  };
  const linesOf = (words = ''): string[] => words.split(/<br ?\/?>/);
  const steps = rest.flatMap((line): Step[] => {
    if (line === '') return [];
    const [, id = '', label] = PARTICIPANT.exec(line) ?? [];
    if (id !== '') {
      participants.push({ id, label: label ?? id });
      return [];
    }
    const message = MESSAGE.exec(line);
    if (message !== null) {
      const [, from, arrow = '', to, words] = message;
      const [isDashed, isLost] = [arrow.startsWith('--'), arrow.endsWith('x')];
      return [{ type: 'message', from: indexOf(from), to: indexOf(to), isDashed, isLost, lines: linesOf(words) }];
    }
    const note = NOTE.exec(line);
    if (note !== null) {
      const [, from, to, words] = note;
      const ends = [indexOf(from), indexOf(to ?? from)];
      return [{ type: 'note', first: Math.min(...ends), last: Math.max(...ends), lines: linesOf(words) }];
    }
    const [, open, what = ''] = OPEN.exec(line) ?? [];
    if (open !== undefined) return [{ type: 'open', word: open, text: what }];
    const [, part, other = ''] = PART.exec(line) ?? [];
    if (part !== undefined) return [{ type: 'part', word: part, text: other }];
    if (line === 'end') return [{ type: 'close' }];
    throw new Error(`Expected a line of a sequence diagram, got \`${line}\``);
  });
  return { participants, steps };
}
