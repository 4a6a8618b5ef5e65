import { meetingPlaces } from '../../lib/cli/meeting-places.js';
import { createIdentity } from '../../lib/identity.js';
import { unlOf, unlOfVersion2 } from '../support/locators.js';

const PUBLIC = { kind: 'wan', address: '45.198.51.7', port: 4000 } as const;
const HOME = { kind: 'lan', address: '192.168.1.7', port: 4000 } as const;

describe('where the command line meets a peer', () => {
  const servers = {
    rendezvous: [
      { host: 'rv.example.org', port: 8000 },
      { host: '192.168.1.1', port: 80 },
    ],
    mailboxes: ['http://127.0.0.1:5432/admin/', 'http://45.203.113.9:8080/below/'],
    dht: [
      { host: 'localhost', port: 6379 },
      { host: '45.203.113.9', port: 7000 },
    ],
    mqtt: ['mqtt://192.168.1.1', 'wss://broker.example/admin', 'wss://broker.example/mqtt', 'mqtts://45.203.113.9'],
  };

  it('is at the servers that it is told, and at no others', () => {
    const named = { rendezvous: ['127.0.0.1:8000'], mailbox: undefined, dht: undefined, mqtt: undefined };
    expect(meetingPlaces(named, unlOf({ ...servers, endpoints: [PUBLIC] }))).toEqual(named);
    const brokers = { ...named, rendezvous: undefined, mqtt: ['mqtt://127.0.0.1'] };
    expect(meetingPlaces(brokers, unlOf({ ...servers, endpoints: [PUBLIC] }))).toEqual(brokers);
    const none = { rendezvous: undefined, mailbox: undefined, dht: undefined, mqtt: undefined };
    expect(meetingPlaces({}, unlOfVersion2())).toEqual(none);
  });

  it('is at the public ones that a locator names, without a path of its choice', () => {
    expect(meetingPlaces({}, unlOf({ ...servers, endpoints: [HOME, PUBLIC] }))).toEqual({
      rendezvous: ['rv.example.org:8000'],
      mailbox: ['http://45.203.113.9:8080/'],
      dht: ['45.203.113.9:7000'],
      mqtt: ['wss://broker.example/mqtt', 'mqtts://45.203.113.9'],
    });
  });

  it('is at servers by their key, or by WebSocket with their mailbox', () => {
    const key = createIdentity().peerId;
    const rendezvous = [
      { host: 'rv.example.org', port: 8000, key },
      { host: 'rv.example.org', port: 443, url: 'wss://rv.example.org/' },
    ];
    expect(meetingPlaces({}, unlOf({ rendezvous, endpoints: [PUBLIC] }))).toEqual({
      rendezvous: [`rxp2p://${key}@rv.example.org:8000`, 'wss://rv.example.org'],
      mailbox: ['https://rv.example.org/'],
      dht: [],
      mqtt: [],
    });
    const atHome = [{ host: '127.0.0.1', port: 80, url: 'ws://127.0.0.1/' }];
    expect(meetingPlaces({}, unlOf({ rendezvous: atHome, endpoints: [PUBLIC] })).rendezvous).toEqual([]);
  });

  it('is below the path that a locator names, where a certificate proves that the server is the one that is named', () => {
    const rendezvous = [
      { host: 'rv.example.org', port: 443, url: 'wss://rv.example.org/a/b/' },
      { host: 'rv.example.org', port: 80, url: 'ws://rv.example.org/a/b/' },
    ];
    const mailboxes = ['https://box.example.org/c/', 'http://box.example.org/c/'];
    const places = meetingPlaces({}, unlOf({ rendezvous, mailboxes, endpoints: [PUBLIC] }));
    expect(places.rendezvous).toEqual(['wss://rv.example.org/a/b', 'ws://rv.example.org']);
    expect(places.mailbox).toEqual([
      'https://box.example.org/c/',
      'http://box.example.org/',
      'https://rv.example.org/a/b/',
      'http://rv.example.org/',
    ]);
  });

  it('is at this machine, by whatever name, only when the peer has no public address', () => {
    const named = {
      rendezvous: [{ host: 'localhost', port: 443, url: 'wss://localhost/' }],
      mailboxes: ['http://localhost:5432/'],
      dht: [{ host: 'localhost', port: 6379 }],
      mqtt: ['mqtt://localhost'],
    };
    expect(meetingPlaces({}, unlOf({ ...named, endpoints: [HOME, PUBLIC] }))).toEqual({
      rendezvous: [],
      mailbox: [],
      dht: [],
      mqtt: [],
    });
    expect(meetingPlaces({}, unlOf({ ...named, endpoints: [HOME] }))).toEqual({
      rendezvous: ['wss://localhost'],
      mailbox: ['http://localhost:5432/', 'https://localhost/'],
      dht: ['localhost:6379'],
      mqtt: ['mqtt://localhost'],
    });
  });

  it('is at private servers when the peer has no public address, two of a kind at most', () => {
    const rendezvous = [1, 2, 3].map((i) => ({ host: `192.168.1.${i}`, port: 8000 }));
    expect(meetingPlaces({}, unlOf({ rendezvous, endpoints: [HOME] })).rendezvous).toEqual([
      '192.168.1.1:8000',
      '192.168.1.2:8000',
    ]);
  });
});
