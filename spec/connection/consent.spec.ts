import { Consent } from '../../lib/connection/consent.js';
import { ProtocolError } from '../../lib/errors.js';
import { record } from '../support/record.js';
import { VirtualLink } from './virtual-links.js';

describe('The consent of a peer to a connection', () => {
  it('is given by a hello for this connection, once', () => {
    const consent = new Consent('this one');
    const { values } = record(consent.given$);
    expect([consent.isGiven, values.length]).toEqual([false, 0]);
    expect(consent.hear({ connection: 'this one' })).toBeTrue();
    expect(consent.hear({ connection: 'this one' })).toBeFalse();
    expect([consent.isGiven, values.length]).toEqual([true, 1]);
  });

  it('is not given by a hello for another', () => {
    const consent = new Consent('this one');
    expect(() => consent.hear({ connection: 'another' })).toThrowError(ProtocolError);
    expect(consent.isGiven).toBeFalse();
  });

  it('is replayed to later subscribers, and completes without a value when the connection ends first', () => {
    const [given, ended] = [new Consent('one'), new Consent('two')];
    given.give();
    ended.close();
    const [late, never] = [record(given.given$), record(ended.given$)];
    expect([late.values.length, late.isCompleted, never.values.length, never.isCompleted]).toEqual([1, true, 0, true]);
  });

  it('drops the link in reserve; so do a newer one and the end of the connection', () => {
    const links = [0, 1, 2].map((number) => new VirtualLink(`link ${number}`, true).here);
    const isDropped = () => links.map(({ link }) => link.stream.destroyed);
    const consents = [new Consent('one'), new Consent('one')];
    const keep = (consent: Consent | undefined, number: number) => {
      const framed = links[number];
      if (framed !== undefined) consent?.keep({ framed, id: `connection ${number}` });
    };
    keep(consents[0], 0);
    keep(consents[0], 1);
    expect(isDropped()).toEqual([true, false, false]);
    consents[0]?.give();
    expect(isDropped()).toEqual([true, true, false]);
    keep(consents[1], 2);
    consents[1]?.close();
    expect(isDropped()).toEqual([true, true, true]);
  });

  it('hands over the link in reserve once, if it is not broken', () => {
    const { here: framed } = new VirtualLink('link', true);
    const consent = new Consent('one');
    expect(consent.takeSpare()).toBeUndefined();
    consent.keep({ framed, id: 'two' });
    expect(consent.takeSpare()).toEqual({ framed, id: 'two' });
    expect(consent.takeSpare()).toBeUndefined();
    consent.close();
    expect(framed.link.stream.destroyed).toBeFalse();
  });
});
