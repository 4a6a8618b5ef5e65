import { say, sayJson } from '../http/answers.js';
import type { Exchange } from '../http/service.js';
import { portOf, reasonNotToDial, refusing } from './answer.js';
import type { Questions } from './questions.js';

/** Answers PyP2P's `net.php`: text and JSON as its clients expect them. */
export function answerPyp2p(exchange: Exchange, questions: Questions): void {
  const { url, address, response } = exchange;
  const query = url.searchParams;
  const action = query.get('action');
  const port = portOf(query);
  const isTcp = (query.get('proto') ?? 'TCP').toUpperCase() === 'TCP';
  if (action === 'get_wan_ip') {
    if (exchange.caller.whose === 'our-proxy')
      say(response, 503, 'A proxy before this server does not say who asks.\n');
    else say(response, 200, address);
  } else if (action !== 'is_port_forwarded') {
    say(response, 404, 'There is nothing here. Try ?action=get_wan_ip.\n');
  } else if (port === undefined || !isTcp || reasonNotToDial({ address, port }, exchange) !== undefined) {
    sayJson(response, { result: 'no' });
  } else {
    questions.ask({
      endpoint: { address, port },
      peerId: undefined,
      answer: (reason) => {
        sayJson(response, { result: reason === undefined ? 'yes' : 'no' });
      },
      refuse: refusing(exchange),
    });
  }
}
