import { defer, merge, of, share } from 'rxjs';
import type { BrokerAddress } from '../../broker-name.js';
import { PARCEL_MAX_BYTES } from '../../parcel.js';
import type { Carrier, Delivery } from '../carrier.js';
import { firstDelivered } from './first-delivered.js';
import { MqttBroker, SEND_MS, type MqttBrokerConfig } from './mqtt-broker.js';

/** What the carrier over MQTT needs. */
interface MqttCarrierConfig extends MqttBrokerConfig {
  /** A signal is published at all of them. */
  readonly brokers: readonly BrokerAddress[];
}

/**
 * Signals by way of MQTT brokers: any broker will do, and it needs to know nothing of rxp2p. A node subscribes to a topic that is a digest of its
 * key, and others publish there. A signal counts as delivered when its receiver has signed for it; by MQTT 5 it is kept for a
 * receiver that was there within the last ten minutes.
 *
 * A broker proves nothing of the sender, and does not tell at which address it sees it.
 *
 * A node is connected to the brokers while somebody is subscribed to `parcel$`, or sends. A broker that is gone, that refuses, floods or
 * says nothing delays neither the others nor other carriers.
 *
 * @example
 * const url = 'mqtts://broker.example';
 * const broker = { scheme: 'mqtts', host: 'broker.example', port: 8883, url, credentials: undefined } as const;
 * const carrier = mqttCarrier({ identity, brokers: [broker], runtime: systemRuntime, trace: () => undefined });
 * carrier.parcel$.subscribe(({ bytes, acknowledge }) => { use(bytes); acknowledge(); });
 */
export function mqttCarrier({ brokers, ...config }: MqttCarrierConfig): Carrier {
  const { scheduler } = config.runtime;
  const all = brokers.map((broker) => new MqttBroker(broker, config));
  return {
    name: 'mqtt',
    isBlind: true,
    parcel$: merge(...all.map((broker) => broker.parcel$())).pipe(share()),
    send$: (to, bytes, { keepMs }) =>
      defer(() => {
        if (bytes.length > PARCEL_MAX_BYTES) return of<Delivery>('absent');
        const sends = all.map((broker) => broker.send$(to, bytes, keepMs));
        return firstDelivered(sends, SEND_MS, scheduler);
      }),
  };
}
