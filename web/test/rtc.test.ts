import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, toHex, utf8 } from "../src/bytes.ts";
import { SeaError } from "../src/error.ts";
import { encode } from "../src/identity/cbor.ts";
import { parsePlace } from "../src/node/rtc.ts";
import { formatIP, parseIP, policyOnly, policyVia } from "../src/node/rtcaddress.ts";
import { encodeDescription, fromSDP, Kind, parseDescription, sdp } from "../src/node/rtcdescription.ts";
import { type Channel, laneWindow, RtcLane } from "../src/node/rtclane.ts";
import { maxMessage } from "../src/node/wire.ts";
import { because, hex, vectors } from "./vectors.ts";

const v = vectors<{ name: string; bytes: string; kind: "offer" | "answer"; sdp: string }[]>("node/transport/rtcnet/testdata/description.json");
const everything = () => true;

test("descriptions in both forms", () => {
	assert.ok(v.length > 0);
	for (const c of v) {
		const d = parseDescription(hex(c.bytes), Kind[c.kind]);
		assert.equal(toHex(encodeDescription(d)), c.bytes, c.name);
		assert.equal(sdp(d, everything), c.sdp, c.name);
		assert.deepEqual(fromSDP(Kind[c.kind], c.sdp), d, c.name);
		assert.ok(!sdp(d, () => false).includes("a=candidate:"), c.name);
		assert.throws(() => parseDescription(hex(c.bytes), c.kind === "offer" ? Kind.answer : Kind.offer), because("description"), c.name);
	}
});

// Each byte of each vector is changed: what is not refused has one spelling, and says something else.
test("changed descriptions", () => {
	for (const c of v) {
		for (let i = 0; i < c.bytes.length / 2; i++) {
			for (const mask of [0x01, 0x20, 0x80, 0xff]) {
				const b = hex(c.bytes);
				b[i]! ^= mask;
				try {
					const d = parseDescription(b, Kind[c.kind]);
					assert.equal(toHex(encodeDescription(d)), toHex(b));
					const text = sdp(d, everything);
					assert.notEqual(text, c.sdp);
					assert.equal(text.split("\n").length, 16 + d.candidates.length, "each line is one that we wrote");
				} catch (err) {
					if (!(err instanceof SeaError && err.code === "description")) throw err;
				}
			}
		}
	}
});

test("refused descriptions", () => {
	const good = () => [1, 1, "abcd", "p".repeat(22), new Uint8Array(32), [[1, new Uint8Array([192, 0, 2, 1]), 9, 1]]] as unknown[];
	const candidate = (...c: unknown[]) => [...good().slice(0, 5), [c]];
	const ip = new Uint8Array([192, 0, 2, 1]);
	parseDescription(encode(good()), Kind.offer);
	const mapped = parseIP("::ffff:127.0.0.1")!;
	for (const bad of [
		[], {}, "v=0", [2], [2, ...good().slice(1)], [1, 7, ...good().slice(2)], good().slice(0, 5), [...good(), 0],
		[1, 1, "abc", ...good().slice(3)], [1, 1, "a".repeat(257), ...good().slice(3)], [1, 1, "abcd\r\na=x", ...good().slice(3)],
		[1, 1, "abcd", "p".repeat(21), ...good().slice(4)], [1, 1, "abcd", "p".repeat(22) + "\n", ...good().slice(4)],
		[...good().slice(0, 4), new Uint8Array(31), []],
		candidate(0, ip, 9, 1), candidate(3, ip, 9, 1), candidate(1, ip.slice(1), 9, 1), candidate(1, new Uint8Array(8), 9, 1),
		candidate(1, mapped, 9, 1), candidate(1, ip, 0, 1), candidate(1, ip, 65536, 1), candidate(1, ip, 9, 0), candidate(1, ip, 9, 2 ** 31),
		[...good().slice(0, 5), new Array(17).fill([1, ip, 9, 1])],
	]) {
		assert.throws(() => parseDescription(encode(bad), Kind.offer), because("description"), JSON.stringify(bad));
	}
	assert.throws(() => parseDescription(encode([2, "other"]), Kind.offer), because("description", "version 2"));
	for (const b of [new Uint8Array(), new Uint8Array(16385)]) assert.throws(() => parseDescription(b, Kind.offer), because("description"));
});

test("a browser's own description", () => {
	const d = fromSDP(Kind.offer, [
		"v=0", "a=fingerprint:sha-256 " + new Array(32).fill("0A").join(":"), "a=ice-ufrag:ab/+", "a=ice-pwd:" + "q".repeat(24),
		"a=candidate:1 1 udp 2113937151 11112222-3333-4444-5555-666677778888.local 5000 typ host generation 0",
		"a=candidate:2 1 tcp 2113937151 192.0.2.1 9 typ host tcptype active",
		"a=candidate:3 2 udp 2113937151 192.0.2.1 5001 typ host",
		"a=candidate:4 1 UDP 2113937151 192.0.2.1 5002 typ host generation 0 network-id 1",
		"a=candidate:5 1 udp 1677729535 2001:DB8:0::1 5003 typ srflx raddr 0.0.0.0 rport 0",
		"a=candidate:6 1 udp 1677729535 192.0.2.9 5004 typ relay raddr 0.0.0.0 rport 0",
	].join("\r\n"));
	assert.equal(d.ufrag, "ab/+");
	assert.equal(d.password.length, 24);
	assert.deepEqual(d.candidates.map(([type, ip, port]) => [type, formatIP(ip), port]), [[1, "192.0.2.1", 5002], [2, "2001:db8::1", 5003]]);
	parseDescription(encodeDescription(d), Kind.offer);
	assert.throws(() => fromSDP(Kind.offer, "a=fingerprint:sha-1 AA"), because("description"));
});

test("IP addresses", () => {
	for (const [text, want] of [
		["192.0.2.1", "192.0.2.1"], ["::", "::"], ["::1", "::1"], ["1:0:0:2::3", "1:0:0:2::3"], ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
		["fe80::", "fe80::"], ["::ffff:1.2.3.4", "::ffff:102:304"], ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
	]) {
		const ip = parseIP(text!);
		assert.ok(ip && (ip.length === 4 || ip.length === 16), text);
		assert.equal(formatIP(ip), want);
	}
	for (const text of ["", "1.2.3", "1.2.3.256", "localhost", "a.local", ":::", "1::2::3", "fe80::1%eth0", "[::1]", "::1]/[", "1:2:3:4:5:6:7:8:9"]) {
		assert.equal(parseIP(text), undefined, text);
	}
});

test("which addresses are sent to", () => {
	const check = (via: string, allowed: string[], refused: string[]) => {
		for (const ip of allowed) assert.ok(policyVia(via)(parseIP(ip)!), `${ip} via ${via}`);
		for (const ip of refused) assert.ok(!policyVia(via)(parseIP(ip)!), `${ip} via ${via}`);
	};
	const never = [
		"0.0.0.0", "169.254.169.254", "224.0.0.251", "240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "fe80::1", "ff02::fb",
		"fd00:ec2::254", "::ffff:127.0.0.1", "::7f00:1", "::", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::",
	];
	const world = ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111"];
	const inside = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.7.1", "100.64.0.1", "fd12::1", "fec0::1"];
	for (const via of ["", "192.0.2.9:443", "relay.example:443", "[2606:4700::1]:443"]) {
		check(via, world, [...never, ...inside, "127.0.0.1", "127.8.8.8", "::1"]);
	}
	for (const via of ["127.0.0.1:7700", "[::1]:7700", "localhost:7700", "sea.localhost"]) {
		check(via, [...world, "127.0.0.1", "::1"], [...never, ...inside]);
	}
	check("192.168.7.9:7700", [...world, "192.168.7.1"], [...never, "192.168.8.1", "10.0.0.1", "127.0.0.1", "::1"]);
	check("[fd12::9]:7700", [...world, "fd12::1"], [...never, "fd12:0:0:1::1", "192.168.7.1", "127.0.0.1"]);
	for (const ip of [...world, ...inside, "127.0.0.1", "::1"]) {
		assert.ok(policyOnly(parseIP(ip)!)(parseIP(ip)!), ip);
		assert.ok(!policyOnly(parseIP("192.0.2.7")!)(parseIP(ip)!), ip);
	}
	for (const ip of never) assert.ok(!policyOnly(parseIP(ip)!)(parseIP(ip)!), ip);
});

test("sea:// addresses", () => {
	const hash = "0f".repeat(32);
	for (const [host, port] of [["192.0.2.1:7700", 7700], ["[2001:db8::1]:1", 1]] as const) {
		const place = parsePlace(`sea://${host}/#${hash}`);
		assert.equal(place.port, port);
		assert.equal(toHex(place.hash), hash);
	}
	for (const bad of [
		"", "sea://", `sea://192.0.2.1/#${hash}`, `sea://192.0.2.1:0/#${hash}`, `sea://192.0.2.1:65536/#${hash}`, `sea://192.0.2.1:07/#${hash}`,
		`sea://192.0.2.01:7/#${hash}`, `sea://example.org:7/#${hash}`, `sea://[::ffff:1.2.3.4]:7/#${hash}`, `sea://[2001:db8:0::1]:7/#${hash}`,
		`sea://192.0.2.1:7#${hash}`, `sea://192.0.2.1:7/#${hash.toUpperCase()}`, `sea://192.0.2.1:7/#${hash}0`, `sea://192.0.2.1:7/#${hash}\n`,
		`wss://192.0.2.1:7/#${hash}`, `sea://u@192.0.2.1:7/#${hash}`,
	]) {
		assert.throws(() => parsePlace(bad), because("address"), bad);
	}
});

/** Fake is a channel whose other side is the test. */
class Fake implements Channel {
	bufferedAmount = 0;
	bufferedAmountLowThreshold = 0;
	onbufferedamountlow: (() => unknown) | null = null;
	onmessage: ((event: MessageEvent) => unknown) | null = null;
	readonly sent: (Bytes | string)[] = [];
	readonly wrong: string[] = [];
	byes = 0;
	readonly lane = new RtcLane(this, (why) => this.wrong.push(why), () => this.byes++);

	send(data: Bytes | string): void {
		this.sent.push(data);
	}

	come(data: Uint8Array | string): void {
		this.onmessage?.({ data: typeof data === "string" ? data : data.buffer } as MessageEvent);
	}
}

const large = new Uint8Array(maxMessage);
const inWindow = Math.floor(laneWindow / (maxMessage + 64));

test("a sender stops at the window", async () => {
	const f = new Fake();
	for (let i = 0; i <= inWindow + 9; i++) f.lane.send(large);
	assert.equal(f.sent.length, inWindow);
	assert.equal(f.lane.buffered, 10 * maxMessage);
	let drained = false;
	const wait = f.lane.drained().then(() => (drained = true));
	await Promise.resolve();
	assert.ok(!drained);
	f.come(String(2 * (maxMessage + 64)));
	assert.equal(f.sent.length, inWindow + 2);
	f.come(String(8 * (maxMessage + 64)));
	assert.equal(f.sent.length, inWindow + 10);
	await wait;
	assert.deepEqual(f.wrong, []);
});

test("a sender stops while the channel is full", async () => {
	const f = new Fake();
	f.bufferedAmount = (256 << 10) + 1;
	f.lane.send(large);
	assert.equal(f.sent.length, 0);
	const wait = f.lane.drained();
	f.bufferedAmount = f.bufferedAmountLowThreshold;
	f.onbufferedamountlow!();
	assert.equal(f.sent.length, 1);
	f.bufferedAmount = 0;
	f.onbufferedamountlow!();
	await wait;
});

test("a sender that does not look is stopped, and the end wakes who waits", async () => {
	const f = new Fake();
	for (let i = 0; f.wrong.length === 0; i++) {
		assert.ok(i < 400);
		f.lane.send(large);
	}
	const wait = f.lane.drained();
	f.lane.end();
	await wait;
	f.lane.send(large);
	assert.equal(f.lane.buffered, 0);
	for (const size of [0, maxMessage + 1]) {
		const other = new Fake();
		other.lane.send(new Uint8Array(size));
		assert.equal(other.wrong.length, 1);
		assert.equal(other.sent.length, 0);
	}
});

test("a reader gives back what it takes, by the quarter", () => {
	const f = new Fake();
	const quarter = Math.ceil(laneWindow / 4 / (maxMessage + 64));
	for (let i = 0; i < quarter; i++) f.come(large);
	assert.deepEqual(f.sent, [], "nothing is taken");
	let got = 0;
	f.lane.start(() => got++);
	assert.equal(got, quarter);
	assert.deepEqual(f.sent, [String(quarter * (maxMessage + 64))]);
	for (let i = 0; i < 3 * quarter - 1; i++) f.come(large);
	assert.equal(f.sent.length, 3);
	assert.deepEqual(f.wrong, []);
});

test("messages stay in order, and bye is the last", () => {
	const f = new Fake();
	f.come(utf8("1"));
	f.come(utf8("2"));
	const got: string[] = [];
	f.lane.start((m) => got.push(new TextDecoder().decode(m)));
	f.come(utf8("3"));
	assert.deepEqual(got, ["1", "2", "3"]);
	for (let i = 0; i <= inWindow; i++) f.lane.send(large);
	f.lane.leave();
	f.lane.send(large);
	f.come(utf8("4"));
	assert.equal(f.sent.length, inWindow);
	f.come(String(maxMessage + 64));
	assert.deepEqual(f.sent.slice(inWindow), [large, "bye"]);
	assert.equal(got.length, 3, "nothing is given after leave");
	f.come("bye");
	f.come("nonsense");
	f.come(utf8("5"));
	assert.equal(f.byes, 1);
	assert.deepEqual(f.wrong, []);
});

test("what a lane may not bring", () => {
	for (const bad of ["", "0", "01", "-1", "+1", "1 ", "1\n", "1048577", "10000000", "Bye", "bye ", "1"]) {
		const f = new Fake();
		f.come(bad);
		assert.equal(f.wrong.length, 1, JSON.stringify(bad));
	}
	for (const size of [0, maxMessage + 1]) {
		const f = new Fake();
		f.come(new Uint8Array(size));
		assert.equal(f.wrong.length, 1, `${size} bytes`);
	}
	const f = new Fake();
	for (let i = 0; i < inWindow; i++) f.come(large);
	assert.deepEqual(f.wrong, []);
	f.come(large);
	assert.equal(f.wrong.length, 1, "more than the window");
	const credit = new Fake();
	credit.lane.send(utf8("x"));
	credit.come("65");
	assert.deepEqual(credit.wrong, []);
	credit.come("1");
	assert.equal(credit.wrong.length, 1, "more credit than was spent");
});
