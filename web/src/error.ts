// What goes wrong, by cause. Codes are appended, never renamed.
export type Code =
	| "address" // text or bytes are not an address
	| "cbor" // bytes are not in Sea's subset of CBOR, or a value has no place in it
	| "key" // bytes are not a key that Sea accepts
	| "signature" // a signature does not hold
	| "purpose" // not a purpose
	| "length" // a statement that is too long, or has the one length that is not signed
	| "frame" // bytes are not a frame
	| "description" // bytes are not an offer or an answer of WebRTC
	| "wire" // a wire did not come about
	| "certificate" // a certificate that says what none may
	| "contact" // a contact record that does not hold
	| "handshake" // the other side did not prove itself, or would not go on
	| "offline" // this peer is not online, or goes offline
	| "job" // a job was refused or could not be had: its reason says why
	| "invalid" // a job, result or receipt that is out of its bounds
	| "blob" // bytes that a job names are not there
	| "module" // a module that cannot be run
	| "engine" // this engine failed: nothing is known of the guest
	| RpcCode;

/** rpcCodes are the outcomes of calls, by their numbers on the wire. */
export const rpcCodes = [
	"ok", "internal", "no_handler", "bad_request", "busy", "unreachable", "timeout", "refused", "not_found", "too_large", "expired",
	"replayed", "unavailable", "cancelled",
] as const;

/** RpcCode is how a call ended. */
export type RpcCode = (typeof rpcCodes)[number];

/** SeaError is every error of this package: a code for programs, a text for people. */
export class SeaError extends Error {
	readonly code: Code;

	constructor(code: Code, text: string) {
		super(text);
		this.name = "SeaError";
		this.code = code;
	}
}
