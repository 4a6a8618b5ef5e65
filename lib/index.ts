/**
 * Nodes that find and reach each other, and the connections between them. Begin at {@link createNet}.
 *
 * @module rxp2p
 */

// ─── A node and its options ─────────────────────────────────────────────────────────────────────────────────────
export { createNet } from './net.js';
export type { ConnectOptions, Line, Net, NetStatus, SlotCount } from './net/interface.js';
export type { Limits, NetConfig, PortMappingProtocol, Timing, TurnConfig } from './config.js';
export type { TurnCredentials } from './stun/turn-name.js';
export type { CloseCode, CloseReason } from './connection/close-reason.js';
export type { Priority } from './connection/channels/priority.js';
export type { AcceptOptions, Channel, ChannelOptions, Connection, Direction } from './connection/connection.js';
export type {
  CodecOption,
  ExposeOptions,
  MethodSchemas,
  OverflowPolicy,
  Remote,
  RemoteCodec,
  RemoteMethod,
  RemoteOptions,
  RemoteSource,
} from './remote/interface.js';
export type { SchemaFailure, SchemaIssue, SchemaResult, SchemaSuccess, StandardSchema } from './remote/schema.js';
export type { Path } from './connection/path.js';
export type { Mapping } from './port-mapping/mapping.js';
export type { InviteOptions, InviteStep, PairOptions } from './net/pairing/interface.js';
export type { PairedPeer } from './pairing/messages.js';
export type { Asked, Ipv6Check, NatCheck, NetCheck, SessionCheck } from './net/check/interface.js';
export type { HairpinCheck } from './net/check/hairpin.js';
export type { ServerVersion } from './net/check/versions.js';
export type { LanCheck } from './lan/look.js';
export type { ProtocolCheck, RouterCheck } from './port-mapping/ask-router.js';
export type { Means, PeerKind, Ways } from './net/check/ways.js';
export type { ClockStatus } from './net/clock-watch.js';
export type { Neighbour } from './lan/lan.js';
export type { JoinOptions, Room, RoomLimits, RoomMember, RoomMessage, RoomVerdict } from './rooms/interface.js';
export type { Reach } from './reachability.js';
export type { ServerReport } from './server-report.js';

// ─── What a node tells of its work ───────────────────────────────────────────────────────────────────────────────────
export type { PortSample } from './nat/classify.js';
export type { PunchReport } from './techniques/punch/sockets.js';
export type { PunchSide } from './techniques/punch/plan.js';
export type { Outcome } from './operators/trace-outcome.js';
export type { ClockReading } from './server-clock.js';
export type { PunchStep, PunchSummary } from './techniques/punch/steps.js';
export type { NetStep, TraceEvent, TraceStep } from './trace.js';
export type { AttemptStep } from './techniques/steps.js';
export type { RoomStep } from './rooms/steps.js';
export type { DiscoveryStep } from './rooms/discovery/steps.js';
export type { PeerStep } from './peers/steps.js';
export type { SelfStep } from './self/steps.js';
export type { SignalStep } from './signalling/steps.js';
export type { LanStep } from './lan/steps.js';
export type { RendezvousStep } from './rendezvous/steps.js';
export type { ServerStep } from './server-report.js';

// ─── Techniques of an application's own ──────────────────────────────────────────────────────────────────────────────
export type { Link } from './link/link.js';
export type { CarrierName, Delivery } from './signalling/carrier.js';
export type { ReceivedSignal, Signal, Signalling, SignalOptions } from './signalling/signalling.js';
export type { Attempt, Dial, Technique, TechniqueName } from './techniques/technique.js';

// ─── Time, chance and sockets of a specification's own ───────────────────────────────────────────────────────────────
export type { Gateway } from './port-mapping/gateway.js';
export type { DialConfig, ListenConfig, Listener } from './link/tcp.js';
export type { MulticastLink } from './link/multicast-links.js';
export type { MulticastConfig, MulticastEvent, Outgoing, Source } from './link/multicast.js';
export type { Runtime } from './runtime.js';

// ─── TCP services of peers ───────────────────────────────────────────────────────────────────────────────────────────
export { exposePort$, type ExposePortConfig, type FailedStream } from './forward/expose-port.js';
export {
  forwardPort$,
  type ClientFailed,
  type ForwardPortConfig,
  type ForwardStep,
  type PortListening,
} from './forward/forward-port.js';

// ─── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────────
export { sendFiles$ } from './files/send.js';
export { receiveFiles$ } from './files/receive.js';
export { FILES_CHANNEL } from './files/transfer.js';
export type {
  FileDone,
  FilesComparing,
  FilesDone,
  FilesOffer,
  FilesOffered,
  FilesProgress,
  FilesStarted,
  FilesStep,
  OfferedEntry,
  ReceiveFilesOptions,
  SendFilesOptions,
} from './files/interface.js';

// ─── Who a node is ───────────────────────────────────────────────────────────────────────────────────────────────────
export {
  createIdentity,
  loadIdentity,
  loadOrCreateIdentity,
  saveIdentity,
  type Identity,
  type PeerId,
} from './identity.js';
export { selfSignedCertificate } from './certificate.js';

// ─── Where a node is ─────────────────────────────────────────────────────────────────────────────────────────────────
export { formatUnl, parseUnl, UNL_MAX_LENGTH } from './unl.js';
export type { UnlV2 } from './pyp2p/wire/unl-version-2.js';
export type { NatType, NodeType, Unl, UnlEndpoint, UnlExtension, UnlV3 } from './unl/types.js';
export type { Endpoint, Observed, ServerAddress } from './endpoint.js';
export type { MqttBroker } from './broker-name.js';
export type { RendezvousAddress } from './rendezvous-name.js';

// ─── What can go wrong ───────────────────────────────────────────────────────────────────────────────────────────────
export {
  ClosedError,
  ConnectError,
  DialError,
  FilesError,
  HttpError,
  IdentityError,
  InvalidMessageError,
  InvalidOptionError,
  InvalidTextError,
  InvalidUnlError,
  LineTooLongError,
  ListenError,
  MessageTooLongError,
  PairingError,
  PeerMismatchError,
  PortMappingError,
  ProtocolError,
  RemoteError,
  RemoteRefusedError,
  RendezvousError,
  Rxp2pError,
  SendBufferFullError,
  StoreError,
  TimeoutError,
  TooManyChannelsError,
  UnavailableError,
  type AttemptFailure,
  type ErrorCode,
  type FilesFailure,
  type PairingErrorCode,
  type RefusalReason,
} from './errors.js';
