import { unwatched, type ServiceName, type Watch } from '../watch.js';
import { whenGone } from './answers.js';
import type { HttpService } from './service.js';

/** The status of a connection that speaks another protocol from then on (RFC 9110 §15.2.2). */
const SWITCHING_PROTOCOLS = 101;

/** A service that tells of each of its answers. */
export function watchedService(name: ServiceName, service: HttpService, watch: Watch): HttpService {
  if (watch === unwatched) return service;
  return (exchange) => {
    const { response, upgrade } = exchange;
    const answer = { isUpgraded: false };
    const watched = upgrade && {
      ...upgrade,
      accept() {
        answer.isUpgraded = true;
        watch.answered(name, SWITCHING_PROTOCOLS);
        return upgrade.accept();
      },
      handOver() {
        answer.isUpgraded = true;
        watch.answered(name, SWITCHING_PROTOCOLS);
        return upgrade.handOver();
      },
    };
    const isTaken = service(watched === undefined ? exchange : { ...exchange, upgrade: watched });
    if (isTaken && !answer.isUpgraded) {
      whenGone(response, () => {
        watch.answered(name, response.statusCode);
      });
    }
    return isTaken;
  };
}
